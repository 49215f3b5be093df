import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// Against the PyTorch twin of the recipe, `Scripts/goldens/sparse_training.py`.
@Suite struct TrainingGoldenTests {
  struct Case: Decodable, CustomTestStringConvertible, Sendable {
    let name: String
    let architecture: String
    let levels: [Int]?
    let l0Penalty: Double?
    let bandwidth: Double?
    let revival: Double?
    let freeze: TrainingSettings.Frozen?
    let features: Int
    let width: Int
    let k: Int
    let auxiliaryK: Int
    let auxiliaryScale: Double
    let deadAfter: Int
    let activationThreshold: Double
    let batch: Int
    let learningRate: Double
    let steps: Int
    let warmup: Int
    let decay: Double
    let clipping: Double?
    let mseScale: Float

    var testDescription: String { name }

    var settings: TrainingSettings {
      var settings = TrainingSettings()
      (settings.features, settings.k, settings.auxiliaryK) = (features, k, auxiliaryK)
      (settings.auxiliaryScale, settings.deadAfter) = (auxiliaryScale, deadAfter)
      (settings.activationThreshold, settings.batch, settings.steps) = (activationThreshold, batch, steps)
      (settings.learningRate, settings.warmup, settings.decay) = (learningRate, warmup, decay)
      settings.clipping = clipping
      settings.architecture = try! Architecture(architecture)
      (settings.levels, settings.l0Penalty, settings.bandwidth) = (levels, l0Penalty, bandwidth)
      (settings.freeze, settings.revival) = (freeze, revival)
      return settings
    }
  }

  static let goldens = Goldens()
  static let cases: [Case] = try! goldens.json("training.json")
  private let file = try! Self.goldens.tensors("training.safetensors")

  private func start(_ c: Case) throws -> DictionaryState {
    let selection: Selection =
      c.architecture == "jumprelu"
      ? .threshold(try file.tensor("\(c.name).threshold").elements) : .topK(c.k)
    let sae = SparseAutoencoder(
      selection, encoder: try file.tensor("\(c.name).encoder"), decoder: try file.tensor("\(c.name).decoder"),
      preBias: try file.tensor("\(c.name).pre_bias"), latentBias: try file.tensor("\(c.name).latent_bias"))
    let idle = try file.tensor("\(c.name).idle").elements.map { Int64($0) }
    return DictionaryState(
      c.settings, autoencoder: sae, mseScale: c.mseScale, idle: idle)
  }

  private func dense(_ codes: Codes, features: Int) -> Tensor {
    var dense = Tensor([codes.rows, features])
    codes.forEachActive { row, feature, value in dense[row * features + feature] = value }
    return dense
  }

  /// Of a batch alone BatchTopK chooses otherwise.
  @Test(arguments: cases.filter { ["topk", "jumprelu"].contains($0.architecture) })
  func encodesAndDecodes(
    _ c: Case
  ) throws {
    let sae = try start(c).autoencoder
    let codes = sae.encode(try file.tensor("\(c.name).batch").rows(0..<c.batch))
    try file.expect(dense(codes, features: c.features), equals: "\(c.name).codes", within: 1e-5)
    try file.expect(sae.decode(codes), equals: "\(c.name).reconstruction", within: 1e-5)
  }

  /// `loss.backward()`
  @Test(arguments: cases) func gradients(_ c: Case) throws {
    var state = try start(c)
    let derivative = state.derive(try file.tensor("\(c.name).batch").rows(0..<c.batch))
    try file.expect(dense(derivative.codes, features: c.features), equals: "\(c.name).codes", within: 1e-5)
    if let activations = derivative.auxiliaryActivations {
      try file.expect(activations, equals: "\(c.name).auxiliary_codes", within: 1e-5)
    }
    let gradient = derivative.gradient
    try file.expect(gradient.encoder, equals: "\(c.name).step.encoder", within: 2e-6)
    try file.expect(gradient.decoder, equals: "\(c.name).step.decoder", within: 2e-6)
    try file.expect(gradient.latentBias, equals: "\(c.name).step.latent_bias", within: 2e-6)
    try file.expect(gradient.preBias, equals: "\(c.name).step.pre_bias", within: 2e-6)
    if let threshold = gradient.threshold {
      try file.expect(threshold, equals: "\(c.name).step.threshold", within: 2e-6)
    }
    let loss = try file.tensor("\(c.name).losses")[0]
    #expect(abs(derivative.loss - Double(loss)) < 1e-5 * Double(loss))
  }

  /// The loop: losses of every step, and where the parameters end.
  @Test(arguments: cases) func trains(_ c: Case) throws {
    var state = try start(c)
    let batches = try file.tensor("\(c.name).batch")
    var reports: [StepReport] = []
    for step in 0..<c.steps {
      let first = step % (batches.rows / c.batch) * c.batch
      reports.append(
        try state.learn(
          from: batches.rows(first..<first + c.batch), step: step + 1, of: c.steps,
          vectors: (step + 1) * c.batch))
    }
    for (name, values) in [
      ("losses", reports.map(\.loss)), ("mses", reports.map(\.mse)),
      ("norms", reports.map(\.gradientNorm)),
      ("mean_explained_variances", reports.map { $0.meanExplainedVariance ?? .nan }),
      ("explained_variances", reports.map { $0.explainedVariance ?? .nan }),
      ("dead", reports.map { Double($0.dead) }),
    ] + (c.auxiliaryK > 0 ? [("auxiliaries", reports.map(\.auxiliary))] : []) {
      let wanted = try file.tensor("\(c.name).\(name)")
      for step in 0..<c.steps {
        let error = abs(values[step] - Double(wanted[step]))
        #expect(
          error <= 1e-4 * abs(Double(wanted[step])),
          "\(name) of step \(step): \(values[step]), but the reference is \(wanted[step])")
      }
    }
    // A step of Adam has the sign of the gradient, so that an error of rounding can move a parameter a whole step.
    try file.expect(state.autoencoder.encoder, equals: "\(c.name).end.encoder", within: 5e-6)
    try file.expect(state.autoencoder.decoder, equals: "\(c.name).end.decoder", within: 5e-6)
    try file.expect(state.autoencoder.latentBias, equals: "\(c.name).end.latent_bias", within: 5e-6)
    try file.expect(state.autoencoder.preBias, equals: "\(c.name).end.pre_bias", within: 5e-6)
    switch state.finished.selection {
    case .topK(let k): #expect(k == c.k)
    case .threshold(let thresholds) where c.architecture == "jumprelu":
      try file.expect(
        Tensor(thresholds, [c.features]), equals: "\(c.name).end.threshold", within: 5e-6)
    case .threshold(let thresholds):
      let smallest = try file.tensor("\(c.name).smallest").elements.map(Double.init)
      let average = smallest.reduce(smallest[0]) { $0 + 0.01 * ($1 - $0) }
      #expect(thresholds.allSatisfy { abs(Double($0) - average) < 1e-5 * average })
    }
  }

  /// `torch.empty(30, 20).uniform_(-bound, bound, generator=….manual_seed(42))`
  @Test func initialWeights() throws {
    let sae = SparseAutoencoder(untrained: 30, k: 3, seed: 42, preBias: Tensor([20]))
    try file.expect(sae.encoder, equals: "uniform", within: 1e-6)
    for feature in 0..<30 {
      let row = sae.decoder.rows(feature..<feature + 1)
      let length = row.elements.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(abs(length - 1) < 1e-6)
      let encoder = sae.encoder.rows(feature..<feature + 1)
      let scale = encoder[0] / row[0]
      expectClose(row.scaled(by: scale), encoder, within: 1e-6, "feature \(feature)")
    }
  }
}
