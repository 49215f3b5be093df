import SDLensCore

/// Of all pre-activations of a batch of B vectors the ⌊k · B⌋ largest that are above 0.
///
/// A threshold follows the smallest that was kept, `θ ← θ + .01 (min − θ)` from the first on, and is what the dictionary
/// is used with afterwards. Source: Bussmann et al., "BatchTopK Sparse Autoencoders", 2024.
enum BatchTopK: Recipe {
  static let name = "batch-topk"
  static let summary = "of a batch of B vectors the k · B largest; afterwards those above a threshold"

  private static let rate = 0.01

  static func choose(_ batch: inout Batch) -> Batch.Choice {
    let found = batch.screen.codes(
      largestOfAll: batch.settings.k * batch.x.rows, guess: batch.memory["smallest"].map { Float($0) },
      &batch.times)
    var choice = Batch.Choice(codes: found.codes, memory: batch.memory)
    if let smallest = found.smallest.map(Double.init) {
      let threshold = batch.memory["threshold"] ?? smallest
      choice.memory = ["smallest": smallest, "threshold": threshold + rate * (smallest - threshold)]
    }
    return choice
  }

  static func finished(_ autoencoder: SparseAutoencoder, memory: [String: Double]) -> SparseAutoencoder {
    var result = autoencoder
    result.selection = .threshold(
      Array(repeating: Float(memory["threshold"] ?? 0), count: autoencoder.features))
    return result
  }
}
