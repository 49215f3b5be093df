import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// A step of each recipe as its equations read: dense, in double precision, without a thought about time.
private struct PlainStep {
  let sae: SparseAutoencoder
  let settings: TrainingSettings
  let mseScale: Double
  let h: Tensor

  var rows: Int { h.rows }
  var width: Int { sae.width }
  var features: Int { sae.features }
  var thresholds: [Double] { (sae.parameters.threshold?.elements ?? []).map { max(0, Double($0)) } }
  var epsilon: Double { (settings.bandwidth ?? 0.05) / mseScale.squareRoot() }
  /// m₁ < … < m_L = n.
  var levels: [Int] { (settings.levels ?? []).filter { $0 < features } + [features] }

  /// z = W_enc (h − b_pre) + b_act
  func preActivation(_ i: Int, _ j: Int) -> Double {
    (0..<width).reduce(Double(sae.latentBias[j])) { sum, c in
      let x = Double(h[i * width + c]) - Double(sae.preBias[c])
      return sum + Double(sae.encoder[j * width + c]) * x
    }
  }

  /// [rows][features]
  func codes(_ z: [[Double]]) -> [[Double]] {
    switch settings.architecture.description {
    case "topk":
      return z.map { z in
        let least = z.sorted(by: >)[settings.k - 1]
        return z.map { $0 >= least ? max($0, 0) : 0 }
      }
    case "jumprelu": return z.map { z in zip(z, thresholds).map { $0 > $1 ? $0 : 0 } }
    default:
      // The ⌊k · B⌋ largest of the batch.
      let least = z.flatMap { $0 }.map { max($0, 0) }.sorted(by: >)[settings.k * rows - 1]
      return z.map { $0.map { $0 >= least ? max($0, 0) : 0 } }
    }
  }

  /// x̂_l = Σ_{j < m_l} s_j f_j + b_pre
  func reconstruction(_ s: [Double], below level: Int, _ c: Int) -> Double {
    (0..<level).reduce(Double(sae.preBias[c])) { $0 + s[$1] * Double(sae.decoder[$1 * width + c]) }
  }

  struct Result {
    var loss = 0.0
    var encoder, decoder, latentBias, preBias, threshold: [Double]
  }

  func callAsFunction() -> Result {
    var result = Result(
      encoder: Array(repeating: 0, count: features * width),
      decoder: Array(repeating: 0, count: features * width),
      latentBias: Array(repeating: 0, count: features), preBias: Array(repeating: 0, count: width),
      threshold: Array(repeating: 0, count: features))
    let z = (0..<rows).map { i in (0..<features).map { preActivation(i, $0) } }
    let s = codes(z)
    let l0 = Double(s.flatMap { $0 }.count { $0 > 0 }) / Double(rows)
    var l0Slope = 0.0
    if settings.architecture.description == "jumprelu" {
      let k = Double(settings.k)
      result.loss += settings.l0Penalty.map { $0 * l0 } ?? pow(l0 / k - 1, 2)
      l0Slope = settings.l0Penalty ?? 2 * (l0 / k - 1) / k
    }
    let size = Double(rows * width)
    for i in 0..<rows {
      // ∂loss/∂s, summed over the levels that the feature is a part of.
      var byCode = [Double](repeating: 0, count: features)
      for level in levels {
        // ∂loss/∂x̂ = 2 mse_scale (x̂ − h) / (rows · width)
        let rest: [Double] = (0..<width).map { c in
          reconstruction(s[i], below: level, c) - Double(h[i * width + c])
        }
        let square: Double = rest.reduce(0) { $0 + $1 * $1 }
        result.loss += mseScale * square / size
        let slope: [Double] = rest.map { 2 * mseScale * $0 / size }
        for c in 0..<width { result.preBias[c] += slope[c] }
        for j in 0..<level {
          for c in 0..<width {
            byCode[j] += slope[c] * Double(sae.decoder[j * width + c])
            result.decoder[j * width + c] += s[i][j] * slope[c]
          }
        }
      }
      for j in 0..<features {
        // K = [|z − θ| < ε/2], ∂s/∂θ = −(θ/ε) K, ∂[z > θ]/∂θ = −(1/ε) K
        if !thresholds.isEmpty, abs(z[i][j] - thresholds[j]) < epsilon / 2 {
          result.threshold[j] -= (thresholds[j] * byCode[j] + l0Slope / Double(rows)) / epsilon
        }
        guard s[i][j] > 0 else { continue }
        result.latentBias[j] += byCode[j]
        for c in 0..<width {
          let x = Double(h[i * width + c]) - Double(sae.preBias[c])
          result.encoder[j * width + c] += byCode[j] * x
          result.preBias[c] -= byCode[j] * Double(sae.encoder[j * width + c])
        }
      }
    }
    return result
  }
}

@Suite struct RecipeTests {
  private static func settings(_ name: String, _ change: (inout TrainingSettings) -> Void = { _ in })
    -> TrainingSettings
  {
    var settings = TrainingSettings()
    settings.architecture = try! Architecture(name)
    (settings.features, settings.k, settings.auxiliaryK, settings.batch) = (70, 5, 0, 64)
    change(&settings)
    return settings
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let settings: TrainingSettings
    var testDescription: String { settings.title }
  }

  private static let cases = [
    settings("topk"), settings("batch-topk"),
    settings("matryoshka") { $0.levels = [1, 3, 69] },
    settings("matryoshka") { $0.levels = [20] }, settings("jumprelu") { $0.bandwidth = 2 },
    settings("jumprelu") { ($0.bandwidth, $0.l0Penalty) = (0.7, 0.03) },
  ].map { Case(settings: $0) }

  private func state(_ settings: TrainingSettings, width: Int) -> DictionaryState {
    let n = settings.features
    var sae = SparseAutoencoder(
      k: settings.k, encoder: .random([n, width], seed: 1, scale: 0.5),
      decoder: .random([n, width], seed: 2),
      preBias: .random([width], seed: 3), latentBias: .random([n], seed: 4, scale: 0.1))
    if settings.architecture.description == "jumprelu" {
      sae.selection = .threshold(Tensor.random([n], seed: 5, scale: 0.5, plus: 1.2).elements)
    }
    return DictionaryState(
      settings, autoencoder: sae, mseScale: 0.6, idle: Array(repeating: 0, count: n))
  }

  /// Sizes around the edges of blocks, and 1, 2 and 5 threads.
  @Test(arguments: cases, [(40, 7, 1), (65, 64, 2), (200, 130, 5)])
  func readsLikeItsEquations(_ c: Case, _ size: (rows: Int, width: Int, threads: Int)) {
    withThreads(size.threads) {
      let h = Tensor.random([size.rows, size.width], seed: 6, scale: 2)
      var state = state(c.settings, width: size.width)
      let wanted = PlainStep(
        sae: state.autoencoder, settings: c.settings, mseScale: Double(Float(0.6)), h: h)()
      let found = state.derive(h)
      #expect(abs(found.loss - wanted.loss) < 1e-5 * wanted.loss)
      func check(_ tensor: Tensor, _ values: [Double], _ name: String) {
        expectClose(tensor, Tensor(values.map { Float($0) }, tensor.shape), within: 2e-5, name)
      }
      check(found.gradient.encoder, wanted.encoder, "encoder")
      check(found.gradient.decoder, wanted.decoder, "decoder")
      check(found.gradient.latentBias, wanted.latentBias, "latent_bias")
      check(found.gradient.preBias, wanted.preBias, "pre_bias")
      if let threshold = found.gradient.threshold { check(threshold, wanted.threshold, "threshold") }
    }
  }

  /// The choice is that of the whole product, whatever was guessed: far too low, right, too high, absurd.
  @Test(arguments: [nil, 1e-30, 0.5, 1, 1.05, 3, 1e30]) func choosesTheLargestOfTheBatch(guess: Double?)
    throws
  {
    let settings = Self.settings("batch-topk") { ($0.features, $0.k) = (100, 7) }
    let (rows, width) = (700, 9)
    func numbers(_ count: Int, seed: Int) -> [Float] {
      Tensor.random([count], seed: seed, scale: 2).elements.map { $0.rounded() }
    }
    // Small whole numbers, whose products are exact and often equal.
    let sae = SparseAutoencoder(
      k: 7, encoder: Tensor(numbers(100 * width, seed: 1), [100, width]),
      decoder: .random([100, width], seed: 4), preBias: Tensor([width]),
      latentBias: Tensor(numbers(100, seed: 3), [100]))
    let h = Tensor(numbers(rows * width, seed: 2), [rows, width])
    let z = sae.preActivations(h).elements
    let order = z.indices.sorted { z[$0] > z[$1] || (z[$0] == z[$1] && $0 < $1) }.prefix(7 * rows)
    let least = z[order.last!]
    #expect(z.count { $0 == least } > order.count { z[$0] == least })
    var state = DictionaryState(
      settings, autoencoder: sae, mseScale: 1, idle: Array(repeating: 0, count: 100))
    state.memory = guess.map { ["smallest": $0 * Double(least), "threshold": 1] } ?? [:]
    let codes = state.derive(h).codes
    var found: [Int] = []
    codes.forEachActive { row, feature, value in
      found.append(row * 100 + feature)
      #expect(value == z[row * 100 + feature])
    }
    #expect(found == order.sorted())
  }

  /// Directions that are vectors of the data explain each of these vectors from the start.
  @Test func beginsWithVectors() throws {
    let h = Tensor.random([50, 12], seed: 1, scale: 3)
    let settings = Self.settings("topk") { settings in
      (settings.start, settings.features, settings.k, settings.steps) = (.vectors, 30, 1, 1)
    }
    let sae = try Trainer(source: MemorySource(h, isShuffled: false), settings: [settings]).autoencoder(0)
    let x = sae.centered(h)
    // Each direction is the unit vector of a row, no row twice, and finds that row with its whole length.
    let rows = (0..<30).map { feature in
      (0..<50).filter { row in
        let (f, x) = (sae.decoder.rows(feature..<feature + 1).elements, x.rows(row..<row + 1).elements)
        let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return zip(f, x).allSatisfy { abs($0 - $1 / length) < 1e-5 }
      }
    }
    #expect(rows.allSatisfy { $0.count == 1 } && Set(rows.flatMap { $0 }).count == 30)
    let own = rows.flatMap { $0 }
    let codes = sae.encode(h)
    #expect((0..<30).allSatisfy { codes.indices[own[$0]] == Int32($0) })
    let two = try Trainer(
      source: MemorySource(h, isShuffled: false),
      settings: [
        Self.settings("topk") { ($0.start, $0.features, $0.k, $0.steps) = (.vectors, 30, 2, 1) }
      ]
    ).autoencoder(0)
    expectClose(
      two.encoder, Tensor(sae.decoder.elements.map { $0 / 2 }, sae.decoder.shape), within: 1e-6, "k-th part")
  }

  /// The bias of features that are idle for long rises by the same in each step; that of others does not.
  @Test func deadFeaturesAreRaised() throws {
    func biases(_ revival: Double?) throws -> (state: DictionaryState, bias: [Float]) {
      let settings = Self.settings("topk") {
        ($0.revival, $0.deadAfter, $0.learningRate) = (revival, 1000, 1e-9)
      }
      var state = self.state(settings, width: 9)
      for feature in 0..<70 { state.autoencoder.latentBias[feature] = feature < 20 ? -1e3 : 0 }
      state.idle = (0..<70).map { $0 < 10 ? 1000 : 0 }
      let before = state.autoencoder.latentBias.elements
      for step in 1...2 {
        _ = try state.learn(from: .random([40, 9], seed: step), step: step, of: 10, vectors: 40 * step)
      }
      return (state, zip(before, state.autoencoder.latentBias.elements).map { $1 - $0 })
    }
    let (state, rise) = try biases(0.5)
    // In units of the deviation of the vectors, 1 / √0.6.
    let unit = 0.5 / Float(0.6).squareRoot()
    for feature in 0..<70 {
      let wanted = feature < 10 ? 2 * unit : 0
      #expect(abs(rise[feature] - wanted) < 1e-3, "\(feature): \(rise[feature])")
    }
    #expect(state.idle[0] == 1080 && state.idle[15] == 80)
    #expect(try biases(nil).bias.allSatisfy { abs($0) < 1e-3 })
  }

  /// Of fewer that are above 0 than are wanted all stay.
  @Test func fewerThanWanted() throws {
    let settings = Self.settings("batch-topk") { ($0.features, $0.k) = (6, 6) }
    let sae = SparseAutoencoder(
      k: 6, encoder: .random([6, 4], seed: 1), decoder: .random([6, 4], seed: 2), preBias: Tensor([4]),
      latentBias: Tensor([6]))
    let h = Tensor.random([30, 4], seed: 3)
    let positive = sae.preActivations(h).elements.count { $0 > 0 }
    for guess in [nil, 1.0] {
      var state = DictionaryState(
        settings, autoencoder: sae, mseScale: 1, idle: Array(repeating: 0, count: 6))
      if let guess { state.memory = ["smallest": guess, "threshold": guess] }
      #expect(state.derive(h).codes.count == positive)
    }
  }

  /// The same bytes with and without an interruption, on any number of threads.
  @Test(
    arguments: ["topk", "batch-topk", "matryoshka", "jumprelu"],
    [nil, TrainingSettings.Frozen.decoder, .encoder])
  func goesOn(name: String, freeze: TrainingSettings.Frozen?) throws {
    let settings = Self.settings(name) { settings in
      (settings.steps, settings.freeze, settings.auxiliaryK, settings.deadAfter) = (12, freeze, 8, 100)
    }
    let source = MemorySource(.random([300, 20], seed: 1), isShuffled: true)
    let folder = try TemporaryFolder()
    func bytes(_ trainer: Trainer) throws -> [UInt8] {
      try trainer.checkpoint().write(to: folder("checkpoint"))
      return try Array(Data(contentsOf: URL(fileURLWithPath: folder("checkpoint"))))
    }
    let whole = try Trainer(source: source, settings: [settings])
    let start = whole.checkpoint().states[0].autoencoder
    for _ in 0..<12 { _ = try whole.step() }
    let cut = try Trainer(source: source, settings: [settings])
    for _ in 0..<5 { _ = try cut.step() }
    try cut.checkpoint().write(to: folder("cut"))
    let rest = try withThreads(3) {
      let rest = try Trainer(
        source: source, settings: [settings], resuming: try TrainingCheckpoint(contentsOf: folder("cut")))
      for _ in 5..<12 { _ = try rest.step() }
      return rest
    }
    #expect(try bytes(rest) == bytes(whole))
    let end = whole.checkpoint().states[0].autoencoder
    #expect((end.encoder.elements == start.encoder.elements) == (freeze == .encoder))
    #expect((end.decoder.elements == start.decoder.elements) == (freeze == .decoder))
    let frozen = freeze == .encoder ? end.encoder : end.decoder
    for feature in 0..<70 where freeze != nil {
      let row = frozen.rows(feature..<feature + 1).elements
      #expect(abs(row.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
    }
  }

  /// A checkpoint from before there was a choice is one of TopK.
  @Test func olderCheckpoints() throws {
    let settings = Self.settings("topk")
    let text = String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
    let older = text.replacing("\"architecture\":\"topk\",", with: "")
      .replacing(",\"architecture\":\"topk\"", with: "")
    #expect(!older.contains("architecture"))
    #expect(try JSONDecoder().decode(TrainingSettings.self, from: Data(older.utf8)) == settings)
  }

  @Test func refusals() throws {
    func message(_ name: String, _ change: (inout TrainingSettings) -> Void) -> String {
      errorMessage { try Self.settings(name, change).check() }
    }
    let start = "the training setting "
    #expect(
      errorMessage { try Architecture("gated") }
        == "there is no architecture 'gated'; choose one of topk, batch-topk, matryoshka, jumprelu")
    #expect(
      message("batch-topk") { $0.k = 0 }
        == start + "'k' is 0, but it must be from 1 to the number of features, 70")
    for levels in [[8, 8], [20, 10], [0, 10], [71], [70, 70], [-1]] {
      let all = levels.last == 70 ? levels : levels + [70]
      #expect(
        message("matryoshka") { $0.levels = levels }
          == start
          + "'levels' is \(all.map { "\($0)" }.joined(separator: ", ")), but it must be numbers of features "
          + "that grow, from 1 to 70")
    }
    #expect(message("matryoshka") { $0.levels = [8, 70] } == "")
    #expect(
      message("matryoshka") {
        $0.features = 1; $0.k = 1
      } == "")
    #expect(
      message("topk") { $0.levels = [8] }
        == start + "'levels' is [8], but it must be left out: the architecture topk has none")
    #expect(
      message("batch-topk") { $0.l0Penalty = 1 }
        == start + "'l0Penalty' is 1.0, but it must be left out: the architecture batch-topk has none")
    #expect(
      message("jumprelu") { $0.bandwidth = 0 }
        == start + "'bandwidth' is 0.0, but it must be above 0 and at most 1000000")
    #expect(
      message("jumprelu") { $0.l0Penalty = .nan }
        == start + "'l0Penalty' is nan, but it must be above 0 and at most 1000000")
  }
}
