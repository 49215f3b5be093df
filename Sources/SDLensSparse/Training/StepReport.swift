/// What one step of training says of itself; a line of the log.
public struct StepReport: Codable, Equatable, Sendable, BitwiseCopyable {
  /// Which dictionary, from 0.
  public var dictionary = 0
  /// Steps so far, this one included.
  public var step: Int
  /// Vectors so far, those of this step included.
  public var vectors: Int
  /// The learning rate of this step.
  public var learningRate: Double
  /// What is minimised: `mse_scale · mse + α · auxiliary`.
  public var loss: Double
  /// The mean square of `h' − h` over all entries.
  public var mse: Double
  /// What dead features leave of the residual: its mean square over that of the residual around its mean.
  public var auxiliary: Double
  /// As the paper's authors log it, a mean over dimensions: `mean_d (1 − var(h − h')_d ∕ (var(h)_d + 10⁻⁸))`.
  public var meanExplainedVariance: Double?
  /// Of the total variance: `1 − Σ‖h − h'‖² ∕ Σ‖h − mean h‖²`; nil where the vectors are all equal.
  public var explainedVariance: Double?
  /// Active features per vector.
  public var l0: Double
  /// How many features are dead by the settings.
  public var dead: Int
  /// How many features were not active for 10⁴ vectors.
  public var idle1e4: Int
  /// How many features were not active for 10⁶ vectors.
  public var idle1e6: Int
  /// How many features were not active for 10⁷ vectors.
  public var idle1e7: Int
  /// The norm of all gradients together, after the projection and before clipping.
  public var gradientNorm: Double
}

/// Seconds of the parts of training, summed over all steps of a dictionary.
public struct TrainingTimes: Sendable {
  /// The bounds of the encoder's dense product.
  public var product = 0.0
  /// The choice of the active features, with their activations.
  public var selection = 0.0
  /// The reconstruction and its slopes.
  public var reconstruction = 0.0
  /// The dead features' activations, the auxiliary reconstruction and its slopes.
  public var auxiliary = 0.0
  /// The gradients, with their projection.
  public var gradient = 0.0
  /// The optimizer.
  public var update = 0.0

  /// Everything together.
  public var total: Double { product + selection + reconstruction + auxiliary + gradient + update }

  /// Adds the time that `body` takes to one of the parts.
  mutating func measure<R>(_ part: WritableKeyPath<TrainingTimes, Double>, _ body: () throws -> R) rethrows
    -> R
  {
    let start = ContinuousClock.now
    defer { self[keyPath: part] += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
  }
}
