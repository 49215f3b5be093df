import SDLensCore

/// In each vector the k largest pre-activations, those below 0 as 0. Source: the paper, eq. 16.
enum TopK: Recipe {
  static let name = "topk"
  static let summary = "the k largest of each vector, as the paper has it"

  static func choose(_ batch: inout Batch) -> Batch.Choice {
    Batch.Choice(codes: batch.screen.codes(largest: batch.settings.k, &batch.times))
  }
}
