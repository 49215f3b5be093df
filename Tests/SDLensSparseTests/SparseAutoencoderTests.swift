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
      return order.prefix(sae.k).filter { z[$0] > 0 }.map { ($0, z[$0]) }
    }
  }

  @Test(arguments: [(40, 12, 5), (3, 7, 3), (100, 16, 1)])
  func encodesLikePlainLoops(features: Int, width: Int, k: Int) {
    let sae = dictionary(features: features, width: width, k: k)
    let h = Tensor.random([1300, width], seed: 5)
    let found = sae.encode(h)
    for (row, wanted) in codes(sae, h).enumerated() {
      let slots = row * k..<row * k + k
      #expect(found.indices[slots].prefix(wanted.count).map(Int.init) == wanted.map(\.0), "row \(row)")
      expectClose(
        Tensor(Array(found.values[slots]), [k]),
        Tensor(wanted.map(\.1) + Array(repeating: 0, count: k - wanted.count), [k]), within: 1e-5,
        "row \(row)")
    }
  }

  @Test func decodesLikePlainLoops() {
    let sae = dictionary(features: 30, width: 9, k: 4)
    let codes = sae.encode(.random([17, 9], seed: 6))
    let decoded = sae.decode(codes)
    for row in 0..<17 {
      var wanted = sae.preBias.elements
      for slot in row * 4..<row * 4 + 4 {
        for c in 0..<9 { wanted[c] += codes.values[slot] * sae.decoder[Int(codes.indices[slot]) * 9 + c] }
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
}
