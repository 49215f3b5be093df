import Foundation
import SDLensCore

/// A dictionary in training, with everything that its next step depends on.
public struct DictionaryState: Sendable {
  /// How it is trained.
  public internal(set) var settings: TrainingSettings
  /// The dictionary so far.
  public var autoencoder: SparseAutoencoder
  /// Vectors since the last batch in which each feature was active.
  public var idle: [Int64] {
    get { dead.idle }
    set { dead = DeadFeatures(idle: newValue, activations: dead.activations) }
  }
  /// In how many vectors each feature was active so far.
  public var activations: [Int64] { dead.activations }
  /// `1 ∕ mean((h − mean h)²)` over the first vectors, the unit of the reconstruction loss.
  public let mseScale: Float
  /// Where the time went since the state was made or read.
  public internal(set) var times = TrainingTimes()

  var adam: Adam
  var dead: DeadFeatures
  /// What the recipe remembers from step to step.
  package var memory: [String: Double]

  private var recipe: any Recipe.Type { settings.architecture.recipe }

  /// The dictionary so far, as others are to use it.
  package var finished: SparseAutoencoder { recipe.finished(autoencoder, memory: memory) }

  /// The state that another run came to.
  init(
    settings: TrainingSettings, autoencoder: SparseAutoencoder, mseScale: Float, adam: Adam,
    dead: DeadFeatures, memory: [String: Double] = [:]
  ) {
    (self.settings, self.autoencoder, self.mseScale) = (settings, autoencoder, mseScale)
    (self.adam, self.dead, self.memory) = (adam, dead, memory)
  }

  /// A dictionary as given, before the first step.
  package init(_ settings: TrainingSettings, autoencoder: SparseAutoencoder, mseScale: Float, idle: [Int64]) {
    self.init(
      settings: settings, autoencoder: autoencoder, mseScale: mseScale, adam: Adam(for: autoencoder),
      dead: DeadFeatures(idle: idle, activations: Array(repeating: 0, count: idle.count)))
  }

  /// Before the first step: a tied dictionary around a point, the geometric median of the first vectors.
  init(_ settings: TrainingSettings, preBias: Tensor, mseScale: Float) {
    var sae = SparseAutoencoder(
      untrained: settings.features, k: settings.k, seed: settings.seed, preBias: preBias)
    sae.selection = settings.architecture.recipe.selection(
      settings, deviation: 1 / mseScale.squareRoot())
    if settings.freeze == .encoder { sae.encoder.normalizeRows() }
    self.init(
      settings: settings, autoencoder: sae, mseScale: mseScale, adam: Adam(for: sae),
      dead: DeadFeatures(features: settings.features))
  }
}

extension DictionaryState {
  /// The gradient of a batch, before the projection, and what the batch says of the dictionary.
  package struct Derivative {
    package var gradient: Gradient
    package var codes: Codes
    /// The auxiliary activations, [rows, features]; nil without the auxiliary loss.
    package var auxiliaryActivations: Tensor? { auxiliaryPart?.activations(of: gradient.latentBias.count) }
    package var loss: Double
    var mse: Double
    var auxiliary: Double
    var meanExplainedVariance: Double?
    var explainedVariance: Double?
    var auxiliaryPart: Gradient.Part?
    var memory: [String: Double]
  }

  /// Derives the loss at a batch of vectors and counts the activations; source: the paper, eq. 3, 16 and 17, with
  /// the auxiliary loss as its authors compute it.
  ///
  /// With residual `r = h − h'`, and what the recipe minimises (mostly `mse_scale · mean(r²)`), the loss has the second term
  /// `α · mean((r − W_dec a)²) ∕ mean((r − mean r)²)`, where `a` is the ReLU of the `k_aux` largest pre-activations of dead features, and `r` is a constant in the second term,
  /// whose reconstruction `W_dec a + b_pre` passes its gradient to `b_pre`. A second term that is not a finite
  /// number counts as 0. Whether a feature is dead is decided after this batch's activations are counted.
  ///
  /// Each of the `ranks` has the whole batch and computes a part of what comes of it; of the matrices of the gradient each has
  /// the rows of its own features.
  package mutating func derive(_ h: Tensor, _ ranks: any Communicator = Alone()) -> Derivative {
    let (rows, width) = (h.rows, h.width)
    let shares = Shares(rows, among: ranks)
    let size = Double(rows * width)
    let sae = autoencoder
    let x = times.measure(\.reconstruction) { sae.centered(h) }

    let mayDie = settings.auxiliaryK > 0 ? dead.features(idleFor: settings.deadAfter - rows) : []
    let candidates = times.measure(\.auxiliary) { Candidates(mayDie, at: x, sae, shares) }
    let screen = times.measure(\.product) { ScreenedProduct(x, sae, shares) }
    var batch = Batch(
      autoencoder: sae, settings: settings, x: x, mseScale: mseScale, memory: memory, screen: screen,
      shares: shares, times: times)
    let choice = recipe.choose(&batch)
    dead.update(choice.codes, threshold: Float(settings.activationThreshold))
    let (strips, total) = batch.times.measure(\.reconstruction) {
      let strips = StripedMatrix(x)
      return (strips, ColumnMoments(strips).deviations)
    }
    let loss = recipe.derive(&batch, choice)
    times = batch.times
    let residual = loss.residual
    var parts = loss.parts
    let left = residual.moments.deviations
    var auxiliary = 0.0
    var auxiliaryPart: Gradient.Part?
    if settings.auxiliaryK > 0 {
      times.measure(\.auxiliary) {
        let gone = mayDie.indices.filter { dead.idle[Int(mayDie[$0])] >= settings.deadAfter }
        let rest = Residual(
          of: residual.rows, candidates, k: settings.auxiliaryK, among: gone, decoder: sae.decoder, shares)
        let variance = left.reduce(0, +)
        auxiliary = rest.moments.squares.reduce(0, +) / variance
        let part = Gradient.Part(
          features: gone.map { mayDie[$0] }, residual: rest, factor: 2 * settings.auxiliaryScale / variance)
        auxiliaryPart = part
        if auxiliary.isFinite { parts.append(part) } else { auxiliary = 0 }
      }
    }
    var gradient = times.measure(\.gradient) {
      Gradient(of: parts, at: strips, sae, Shares(sae.features, among: ranks))
    }
    if let threshold = loss.threshold { gradient.threshold = threshold }
    if let frozen = settings.freeze { gradient.clear(frozen.rawValue) }
    let degrees = Double(max(1, rows - 1))
    let ratios = zip(left, total).map { 1 - $0 / degrees / ($1 / degrees + 1e-8) }
    let variance = total.reduce(0, +)
    return Derivative(
      gradient: gradient, codes: choice.codes,
      loss: loss.value + settings.auxiliaryScale * auxiliary, mse: loss.mse, auxiliary: auxiliary,
      meanExplainedVariance: rows > 1 ? ratios.reduce(0, +) / Double(width) : nil,
      explainedVariance: variance > 0 ? 1 - loss.mse * size / variance : nil,
      auxiliaryPart: auxiliaryPart, memory: choice.memory)
  }

  /// One step of training on a batch [rows, width].
  ///
  /// - Parameters:
  ///   - step: counted from 1.
  ///   - ranks: the processes that share in it; each gets the whole dictionary, and Adam's means of its own features.
  /// - Throws: `TrainingError.diverged` when the loss is not finite; the parameters are then as before.
  package mutating func learn(
    from h: Tensor, step: Int, of total: Int, vectors: Int, _ ranks: any Communicator = Alone()
  ) throws -> StepReport {
    let features = Shares(autoencoder.features, among: ranks)
    var derivative = derive(h, ranks)
    let norm = times.measure(\.gradient) {
      derivative.gradient.project(awayFrom: autoencoder.decoder, features)
    }
    guard derivative.loss.isFinite, norm.isFinite else {
      throw TrainingError.diverged(dictionary: 0, step: step)
    }
    let recipe = recipe
    let deviation = 1 / mseScale.squareRoot()
    let rate = settings.learningRate(step: step, of: total)
    let scale = settings.clipping.map { min(1, $0 / (norm + 1e-6)) } ?? 1
    times.measure(\.update) {
      adam.move(
        &autoencoder, against: derivative.gradient, scale: scale,
        rate: { rate * recipe.rate(of: $0, deviation: deviation) }, step: step, settings: settings, features)
      recipe.settle(&autoencoder)
    }
    revive(by: deviation)
    memory = derivative.memory
    return StepReport(
      step: step, vectors: vectors, learningRate: rate, loss: derivative.loss, mse: derivative.mse,
      auxiliary: derivative.auxiliary, meanExplainedVariance: derivative.meanExplainedVariance,
      explainedVariance: derivative.explainedVariance, l0: Double(derivative.codes.count) / Double(h.rows),
      dead: dead.count(idleFor: settings.deadAfter), idle1e4: dead.count(idleFor: 10_000),
      idle1e6: dead.count(idleFor: 1_000_000), idle1e7: dead.count(idleFor: 10_000_000), gradientNorm: norm)
  }

  /// Gets what only other ranks have.
  mutating func gather(_ ranks: any Communicator) { adam.gather(Shares(autoencoder.features, among: ranks)) }

  /// Becomes what it is on the rank that trains it.
  mutating func share(from owner: Int, _ ranks: any Communicator) {
    func share(_ tensor: inout Tensor) {
      tensor.withMutableElements { ranks.share($0.baseAddress!, words: $0.count, from: owner) }
    }
    for index in autoencoder.parameters.list.indices {
      autoencoder.parameters.update(index, share)
      adam.mean.update(index, share)
      adam.square.update(index, share)
    }
    var counts = dead.idle + dead.activations
    let features = dead.idle.count
    counts.withUnsafeMutableBytes { ranks.share($0.baseAddress!, words: $0.count / 4, from: owner) }
    dead = DeadFeatures(idle: Array(counts[..<features]), activations: Array(counts[features...]))
    let notes = ranks.rank == owner ? (try? JSON.line(memory)) ?? [] : []
    memory = (try? JSON.decode([String: Double].self, from: Data(ranks.texts(notes)[owner]))) ?? memory
  }

  /// Raises `b_act` of dead features, so that each is among the active ones of some vector again and learns from it; as
  /// DeSieno, "Adding a conscience to competitive learning", 1988, for vector quantization.
  private mutating func revive(by deviation: Float) {
    guard let revival = settings.revival else { return }
    for feature in dead.features(idleFor: settings.deadAfter) {
      autoencoder.latentBias[Int(feature)] += Float(revival) * deviation
    }
  }
}
