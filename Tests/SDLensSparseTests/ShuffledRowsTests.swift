import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct ShuffledRowsTests {
  /// Rows [picture, row] of 7 pictures with 3 rows each.
  private final class Numbers: PictureRows {
    let (width, pictures, rowsPerPicture) = (2, 7, 3)
    private(set) var group: [Int] = []
    func prepare(_ pictures: [Int]) { group = pictures }
    func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>) {
      target[0] = Float(group[row / 3])
      target[1] = Float(row % 3)
    }
  }

  private func pairs(_ tensor: Tensor) -> [[Float]] {
    (0..<tensor.rows).map { [tensor[2 * $0], tensor[2 * $0 + 1]] }
  }

  @Test(arguments: [1, 5, 6, 9, 100]) func everyRowComesOnceAnEpoch(groupSize: Int) throws {
    let rows = ShuffledRows(Numbers(), groupSize: groupSize, seed: 3)
    #expect(rows.count == 21)
    for epoch in 0..<2 {
      let found = pairs(try rows.rows(0..<21, epoch: epoch))
      #expect(Set(found).count == 21)
      #expect(Set(found) == Set((0..<7).flatMap { p in (0..<3).map { [Float(p), Float($0)] } }))
    }
  }

  @Test func theOrderDependsOnSeedAndEpochOnly() throws {
    let all = try ShuffledRows(Numbers(), groupSize: 6, seed: 3).rows(0..<21, epoch: 1)
    let pieces = ShuffledRows(Numbers(), groupSize: 6, seed: 3)
    // Backwards, and in pieces that cross the borders of groups.
    for range in [16..<21, 11..<16, 4..<11, 0..<4] {
      expectSame(try pieces.rows(range, epoch: 1), all.rows(range), "\(range)")
    }
    #expect(try pieces.rows(0..<21, epoch: 0).differs(from: all))
    #expect(try ShuffledRows(Numbers(), groupSize: 6, seed: 4).rows(0..<21, epoch: 1).differs(from: all))
  }

  @Test func whereAVectorComesFrom() throws {
    let rows = ShuffledRows(Numbers(), groupSize: 6, seed: 3)
    for (position, pair) in pairs(try rows.rows(0..<21, epoch: 1)).enumerated() {
      #expect(
        try rows.origin(of: position, epoch: 1) == "row \(Int(pair[1])) of picture \(Int(pair[0]))")
    }
  }

  @Test func aVectorOfAFileThatIsNoNumber() throws {
    let folder = try TemporaryFolder()
    var vectors = Tensor.random([300, 4], seed: 1)
    vectors[123 * 4 + 2] = .nan
    try Safetensors.write([("x", vectors)], to: folder("x.safetensors"))
    let rows = ShuffledRows(try VectorFile(folder("x.safetensors")), groupSize: 64, seed: 3)
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.steps) = (8, 2, 1)
    let message = errorMessage { try Trainer(source: rows, settings: [settings]) }
    #expect(message.hasPrefix("the vector of row 123, at position "), "\(message)")
    #expect(message.contains(" of epoch 0, is nan in component 2, but vectors must be finite"))
  }

  @Test func permutationsAreEven() {
    // Over 6000 seeds, each of the 6 orders of 3 comes about 1000 times.
    var counts: [[Int32]: Int] = [:]
    for seed in 0..<6000 { counts[MersenneTwister.permutation(of: 3, seeds: [seed]), default: 0] += 1 }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { 850...1150 ~= $0 })
  }
}
