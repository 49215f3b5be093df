import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct SparseAutoencoderTests {
  private func dictionary(features: Int, width: Int, k: Int) -> SparseAutoencoder {
    SparseAutoencoder(
      k: k, encoder: .random([features, width], seed: 1), decoder: .random([features, width], seed: 2),
      preBias: .random([width], seed: 3), latentBias: .random([features], seed: 4))
  }

  /// The same with plain loops and a full sort.
  private func codes(_ sae: SparseAutoencoder, _ h: Tensor) -> [[(Int, Float)]] {
    (0..<h.rows).map { row in
      let z = (0..<sae.features).map { feature in
        (0..<sae.width).reduce(sae.latentBias[feature]) {
          $0 + sae.encoder[feature * sae.width + $1] * (h[row * sae.width + $1] - sae.preBias[$1])
        }
      }
      let order = z.indices.sorted { z[$0] > z[$1] || (z[$0] == z[$1] && $0 < $1) }
      return order.prefix(sae.k!).filter { z[$0] > 0 }.map { ($0, z[$0]) }
    }
  }

  @Test(arguments: [(40, 12, 5), (3, 7, 3), (100, 16, 1)])
  func encodesLikePlainLoops(features: Int, width: Int, k: Int) {
    let sae = dictionary(features: features, width: width, k: k)
    let h = Tensor.random([1300, width], seed: 5)
    let found = sae.encode(h)
    for (row, wanted) in codes(sae, h).enumerated() {
      let found = found.rows(row..<row + 1)
      #expect(found.indices.map(Int.init) == wanted.map(\.0), "row \(row)")
      expectClose(
        Tensor(found.values, [found.count]), Tensor(wanted.map(\.1), [wanted.count]), within: 1e-5,
        "row \(row)")
    }
  }

  @Test func decodesLikePlainLoops() {
    let sae = dictionary(features: 30, width: 9, k: 4)
    let codes = sae.encode(.random([17, 9], seed: 6))
    let decoded = sae.decode(codes)
    for row in 0..<17 {
      var wanted = sae.preBias.elements
      codes.rows(row..<row + 1).forEachActive { _, feature, value in
        for c in 0..<9 { wanted[c] += value * sae.decoder[feature * 9 + c] }
      }
      expectClose(decoded.rows(row..<row + 1), Tensor(wanted, [1, 9]), within: 1e-6, "row \(row)")
    }
  }

  @Test func equalPreActivationsGoToTheFirstFeature() {
    let sae = SparseAutoencoder(
      k: 2, encoder: Tensor(repeating: 1, [5, 2]), decoder: Tensor(repeating: 1, [5, 2]),
      preBias: Tensor([2]), latentBias: Tensor([5]))
    #expect(sae.encode(Tensor(repeating: 1, [1, 2])).indices == [0, 1])
  }

  @Test func mapsOfAFeature() {
    let codes = Codes(rows: 3, slots: 2, indices: [4, 1, 1, 0, 2, 3], values: [2, 1, 3, 0, 0, 0])
    #expect(codes.map(of: 1) == [1, 3, 0])
    #expect(codes.map(of: 0) == [0, 0, 0])
  }

  @Test func rowsOfAnyLength() {
    let codes = Codes(rows: 3, slots: 2, indices: [4, 1, 1, 0, 2, 3], values: [2, 1, 3, 0, 0, 0])
    #expect(codes == Codes(starts: [0, 2, 3, 3], indices: [4, 1, 1], values: [2, 1, 3]))
    #expect(codes.padded(to: 2).indices == [4, 1, 1, 0, 0, 1])
    #expect(codes.padded(to: 2).values == [2, 1, 3, 0, 0, 0])
    #expect(codes.rows(1..<3) == Codes(starts: [0, 1, 1], indices: [1], values: [3]))
    #expect(Codes(joining: [codes.rows(0..<1), codes.rows(1..<3)]) == codes)
    #expect((0..<3).map(codes.row(ofEntry:)) == [0, 0, 1])
  }

  /// Above a threshold of each feature, strictly; below 0 a threshold is 0.
  @Test func thresholdsLikePlainLoops() {
    var sae = dictionary(features: 40, width: 12, k: 1)
    let h = Tensor.random([1100, 12], seed: 5)
    var thresholds = Tensor.random([40], seed: 6, scale: 2).elements
    // Of one feature exactly what its first vector has.
    thresholds[3] = sae.preActivations(h)[3]
    sae.selection = .threshold(thresholds)
    let (z, found) = (sae.preActivations(h), sae.encode(h))
    #expect(sae.k == nil && thresholds.contains { $0 < 0 })
    for row in 0..<h.rows {
      let all = (0..<40).map { ($0, z[row * 40 + $0]) }
      let wanted = all.filter { $0.1 > max(0, thresholds[$0.0]) }.sorted { $0.1 > $1.1 }
      #expect(found.rows(row..<row + 1).indices.map(Int.init) == wanted.map(\.0), "row \(row)")
      #expect(found.rows(row..<row + 1).values == wanted.map(\.1), "row \(row)")
    }
    #expect(Set((0..<h.rows).map { found.starts[$0 + 1] - found.starts[$0] }).count > 5)
  }
}
