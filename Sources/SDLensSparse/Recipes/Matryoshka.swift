import SDLensCore

/// BatchTopK whose first features must also do alone: with levels `m₁ < … < m_L = n`,
/// `x̂_l = Σ_{i < m_l} z_i d_i + b` and loss `mse_scale · Σ_l mean((x̂_l − x)²)`.
///
/// Source: Bussmann et al., "Learning Multi-Level Features with Matryoshka Sparse Autoencoders", 2025.
enum Matryoshka: Recipe {
  static let name = "matryoshka"
  static let summary = "batch-topk whose first features, level by level, must also do alone"
  static let ownSettings: Set<String> = ["levels"]

  /// The levels; without any a sixteenth, an eighth, a quarter, half and all of the features.
  static func levels(_ settings: TrainingSettings) -> [Int] {
    let n = settings.features
    let given = settings.levels ?? [16, 8, 4, 2].map { n / $0 }.filter { $0 > 0 }
    return given.last == n ? given : given + [n]
  }

  static func check(_ settings: TrainingSettings) throws {
    let levels = levels(settings)
    guard zip([0] + levels, levels).allSatisfy(<) else {
      throw BadTrainingSetting(
        name: "levels", found: levels.map { "\($0)" }.joined(separator: ", "),
        needed: "numbers of features that grow, from 1 to \(settings.features)")
    }
  }

  static func choose(_ batch: inout Batch) -> Batch.Choice { BatchTopK.choose(&batch) }

  static func derive(_ batch: inout Batch, _ choice: Batch.Choice) -> Batch.Loss {
    let (levels, size, x) = (levels(batch.settings), Double(batch.x.count), batch.x)
    let (decoder, shares) = (batch.autoencoder.decoder, batch.shares)
    let (residuals, squares) = batch.times.measure(\.reconstruction) {
      Residual.nested(of: x, choice.codes, levels: levels, decoder: decoder, shares)
    }
    let factor = 2 * Double(batch.mseScale) / size
    let parts = zip(zip([0] + levels, levels), residuals).map { slice, residual in
      Gradient.Part(
        features: (Int32(slice.0)..<Int32(slice.1)).map { $0 }, residual: residual, factor: factor,
        isFirst: true, addsToBias: slice.0 == 0)
    }
    return Batch.Loss(
      value: Double(batch.mseScale) * squares.reduce(0, +) / size, mse: squares.last! / size,
      residual: residuals.last!, parts: parts)
  }

  static func finished(_ autoencoder: SparseAutoencoder, memory: [String: Double]) -> SparseAutoencoder {
    BatchTopK.finished(autoencoder, memory: memory)
  }
}
