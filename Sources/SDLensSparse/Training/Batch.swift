import SDLensCore

/// A batch at a dictionary, with what recipes need to choose the active features and to derive their loss.
struct Batch {
  /// The dictionary.
  let autoencoder: SparseAutoencoder
  /// How it is trained.
  let settings: TrainingSettings
  /// `h − b_pre`, [rows, width].
  let x: Tensor
  /// `1 ∕ mean((h − mean h)²)` over the first vectors.
  let mseScale: Float
  /// What the recipe remembers of earlier steps.
  let memory: [String: Double]
  /// Finds large pre-activations.
  let screen: ScreenedProduct
  /// Which of its rows each rank computes.
  let shares: Shares
  /// Where the time goes.
  var times: TrainingTimes

  /// The standard deviation of the first vectors, over all components.
  var deviation: Float { 1 / mseScale.squareRoot() }

  /// The active features of a batch.
  struct Choice {
    /// The codes that the gradient goes through.
    var codes: Codes
    /// What the recipe wants to find again in the next step.
    var memory: [String: Double] = [:]
    /// Entries at which the loss depends on a threshold; of theirs the values mean nothing.
    var nearThreshold: Codes?
  }

  /// What is minimised, without the auxiliary loss.
  struct Loss {
    /// Its value.
    var value: Double
    /// The mean square of what all features together leave.
    let mse: Double
    /// What they leave.
    let residual: Residual
    /// Of which the gradient is made.
    let parts: [Gradient.Part]
    /// By `θ`, [features].
    var threshold: Tensor?
  }

  /// The plain reconstruction: `mse_scale · mean((h − h')²)`.
  mutating func reconstruction(_ choice: Choice) -> Loss {
    let (size, sae) = (Double(x.count), autoencoder)
    let (x, shares) = (x, shares)
    let residual = times.measure(\.reconstruction) {
      Residual(of: x, choice.codes, near: choice.nearThreshold, decoder: sae.decoder, shares)
    }
    let mse = residual.moments.squares.reduce(0, +) / size
    let part = Gradient.Part(
      features: (0..<Int32(sae.features)).map { $0 }, residual: residual,
      factor: 2 * Double(mseScale) / size, isFirst: true)
    return Loss(value: Double(mseScale) * mse, mse: mse, residual: residual, parts: [part])
  }
}
