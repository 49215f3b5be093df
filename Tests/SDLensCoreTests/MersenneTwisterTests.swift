import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct MersenneTwisterTests {
  private struct Case: Decodable {
    let name: String
    let seed: Int
    let sizes: [Int]
    let sums, sums_of_squares: [Double]
  }

  // torch.randn(size, generator=generator), one size after the other
  @Test func normalVariatesAreThoseOfTorch() throws {
    let goldens = Goldens()
    let tensors = try goldens.tensors("randn.safetensors")
    let cases: [Case] = try goldens.json("randn.json")
    #expect(cases.count > 20)
    for golden in cases {
      var generator = MersenneTwister(seed: golden.seed)
      for (draw, size) in golden.sizes.enumerated() {
        let values = generator.normal(size)
        let name = "\(golden.name).\(draw)"
        if tensors.entry(name) != nil {
          expectClose(values, try tensors.tensor(name).elements, name)
        } else {
          expectClose(Array(values.prefix(32)), try tensors.tensor(name + ".first").elements, name)
          expectClose(Array(values.suffix(32)), try tensors.tensor(name + ".last").elements, name)
        }
        let sum = values.reduce(0) { $0 + Double($1) }
        let squares = values.reduce(0) { $0 + Double($1) * Double($1) }
        #expect(abs(sum - golden.sums[draw]) < 1e-7 * Double(size), "\(name)")
        #expect(abs(squares - golden.sums_of_squares[draw]) < 1e-6 * Double(size), "\(name)")
      }
    }
  }

  /// Fewer than 16 come from the same double arithmetic; torch computes more with its own float functions.
  private func expectClose(_ found: [Float], _ wanted: [Float], _ name: String) {
    let closeness = Closeness(found, to: wanted)
    #expect(closeness.largestError <= (wanted.count < 16 ? 0 : 5e-7), "\(name): \(closeness)")
  }

  @Test func theSeedCountsModulo32Bits() {
    var (small, large, negative) = (
      MersenneTwister(seed: 5), MersenneTwister(seed: 5 + 1 << 32), MersenneTwister(seed: 5 - 1 << 40)
    )
    let values = small.normal(20)
    #expect(large.normal(20) == values)
    #expect(negative.normal(20) == values)
  }

  // The 10,000th number of std::mt19937 with the seed 5489, which the C++ standard states.
  @Test func theBitsAreThoseOfTheStandard() {
    var generator = MersenneTwister(seed: 5489)
    for _ in 1..<10_000 { _ = generator.bits32() }
    #expect(generator.bits32() == 4_123_659_995)
  }
}
