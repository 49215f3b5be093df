import SDLensCore
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Measurements of a dictionary of thresholds, whose codes are of any length, against dense codes: `s = z · [z > max(θ, 0)]`
/// with `z = W_enc (h − b_pre) + b_act`, in float64 and plain loops.
@Suite struct ThresholdDictionaryTests {
  private static let (width, features, pictures, places) = (6, 11, 80, 64)
  private let folder: TemporaryFolder
  private let store: ActivationStore
  private let sae: SparseAutoencoder
  private let scenes: [ShapesScene]
  /// For every picture and place the activations of all features.
  private let dense: [[[Double]]]
  private let vectors: [Float]

  init() throws {
    folder = try TemporaryFolder()
    var sampler = ShapesSampler(seed: 5)
    let scenes = (0..<Self.pictures).map { _ in sampler.scene() }
    let block = ActivationManifest.Block(name: "up.0.1", width: Self.width, mapHeight: 8, mapWidth: 8)
    let manifest = ActivationManifest(
      model: "shapes", modelFingerprint: "0", site: "update", blocks: [block], dtype: .float32,
      pictures: Self.pictures, picturesPerShard: Self.pictures, places: nil, seed: 42, steps: 1, guidance: 0,
      height: 256, width: 256, prompts: "0")
    let rows = Tensor.random([Self.pictures, 1, Self.places, Self.width], seed: 9)
    try JSON.write(manifest, to: folder("manifest.json"))
    try ActivationShard.write(
      0, of: manifest, ["up.0.1": .init(vectors: rows, places: nil)],
      prompts: scenes.map { ShapesGrammar.caption($0) }, in: folder.path)
    store = try ActivationStore(folder.path)
    // Thresholds of all kinds: below 0, and so high that the last feature is never active.
    let thresholds: [Float] = [-1, 0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1e9]
    sae = SparseAutoencoder(
      .threshold(thresholds), encoder: .random([Self.features, Self.width], seed: 1),
      decoder: .random([Self.features, Self.width], seed: 2), preBias: .random([Self.width], seed: 3),
      latentBias: .random([Self.features], seed: 4))
    (self.scenes, vectors) = (scenes, rows.elements)
    let (encoder, bias, origin) = (sae.encoder, sae.latentBias, sae.preBias)
    dense = (0..<Self.pictures).map { picture in
      (0..<Self.places).map { place in
        (0..<Self.features).map { feature in
          let start = (picture * Self.places + place) * Self.width
          let z = (0..<Self.width).reduce(Double(bias[feature])) {
            $0 + Double(encoder[feature * Self.width + $1])
              * (Double(rows[start + $1]) - Double(origin[$1]))
          }
          return z > max(0, Double(thresholds[feature])) ? z : 0
        }
      }
    }
    let lengths = Set(dense.joined().map { $0.count { $0 > 0 } })
    #expect(lengths.count > 4, "rows of \(lengths)")
  }

  /// How often a positive scores above a negative, a tie counting half.
  private func area(_ scores: [Double], _ positive: [Bool]) -> Double? {
    let pairs = scores.indices.filter { positive[$0] }.flatMap { p in
      scores.indices.filter { !positive[$0] }.map { n in
        scores[p] > scores[n] ? 1.0 : scores[p] == scores[n] ? 0.5 : 0
      }
    }
    return pairs.isEmpty ? nil : Bootstrap.mean(pairs)
  }

  @Test func truthIsThatOfDenseCodes() throws {
    let study = try FactorStudy(of: "up.0.1", in: store, dictionaries: [("d", sae)])
    let method = try #require(study.methods.first)
    #expect(method.kind == .dictionary && method.candidates == Self.features)
    var compared = 0
    for (label, value) in ShapesTruth.labels.enumerated() {
      let has = scenes.indices.map { picture in
        ShapesTruth(scenes[picture], ShapesShifts(seed: 42 + picture), side: 8).picture >> UInt64(label) & 1
          == 1
      }
      func areas(_ half: Int) -> [Double?] {
        let own = scenes.indices.filter { $0 % 2 == half }
        return (0..<Self.features).map { feature in
          area(
            own.map { picture in dense[picture].map { $0[feature] }.max() ?? 0 }, own.map { has[$0] })
        }
      }
      let (chosen, measured) = (areas(0), areas(1))
      guard let most = chosen.compactMap(\.self).max(), measured[0] != nil else {
        #expect(method.scores.pictures[label] == nil, "\(value)")
        continue
      }
      let best = try #require(method.scores.pictures[label])
      #expect(abs(best.chosen - most) < 1e-9, "\(value): \(best.chosen), not \(most)")
      #expect(abs(best.measured - (measured[best.feature] ?? 0)) < 1e-9, "\(value)")
      compared += 1
    }
    #expect(compared > 25)
    // γ = Σ‖x̂‖² / Σ⟨x̂, x⟩ around the bias.
    var (part, whole) = (0.0, 0.0)
    for picture in 0..<Self.pictures {
      for place in 0..<Self.places {
        let start = (picture * Self.places + place) * Self.width
        for channel in 0..<Self.width {
          let y = decoded(dense[picture][place], channel)
          part += y * y
          whole += y * (Double(vectors[start + channel]) - Double(sae.preBias[channel]))
        }
      }
    }
    #expect(abs(try #require(method.shrinkage).value - part / whole) < 1e-5)
  }

  /// `Σ_j s_j f_j` in one channel.
  private func decoded(_ code: [Double], _ channel: Int) -> Double {
    code.indices.reduce(0) { $0 + code[$1] * Double(sae.decoder[$1 * Self.width + channel]) }
  }

  @Test func specificityTakesThePicturesOfDenseCodes() throws {
    let evaluation = try DictionaryEvaluation(of: sae, block: "up.0.1", in: store)
    for feature in 0..<Self.features {
      let strengths = dense.map { Bootstrap.mean($0.map { $0[feature] }) }
      let order = strengths.indices.filter { strengths[$0] > 0 }
        .sorted { (-strengths[$0], $0) < (-strengths[$1], $1) }
      let found = evaluation.examples[feature]
      #expect(found.map(\.picture) == order, "feature \(feature)")
      expectClose(found.map { Double($0.strength) }, order.map { strengths[$0] }, within: 1e-5)
      // The top 5 %, from which ten at most are drawn.
      let top = order.prefix(Int((Double(order.count) * 0.05).rounded(.up)))
      let sample = Specificity.sample(of: feature, in: evaluation.examples, seed: 42)
      #expect(sample.map(\.example.picture) == sample.map { top[$0.rank] })
      #expect(sample.count == min(10, top.count))
    }
    #expect(evaluation.statistics.dead == [Self.features - 1])
    let density = (0..<Self.features).map { feature in
      Double(dense.joined().count { $0[feature] > 0 }) / Double(Self.pictures * Self.places)
    }
    expectClose(evaluation.statistics.density.map(Double.init), density, within: 1e-6)
  }

  @Test func reconstructionIsThatOfDenseCodes() throws {
    let evaluation = try DictionaryEvaluation(of: sae, block: "up.0.1", in: store)
    let rows = Self.pictures * Self.places
    let mean = (0..<Self.width).map { channel in
      Bootstrap.mean((0..<rows).map { Double(vectors[$0 * Self.width + channel]) })
    }
    var (error, total) = (0.0, 0.0)
    for row in 0..<rows {
      for channel in 0..<Self.width {
        let h = Double(vectors[row * Self.width + channel])
        let y = decoded(dense[row / Self.places][row % Self.places], channel) + Double(sae.preBias[channel])
        error += (h - y) * (h - y)
        total += (h - mean[channel]) * (h - mean[channel])
      }
    }
    #expect(abs(try #require(evaluation.variance.global) - (1 - error / total)) < 1e-5)
    #expect(abs(evaluation.variance.error / error - 1) < 1e-5)
  }
}
