import SDLensCore

/// TopK whose first features, level by level, must also do alone: the k largest of each vector as `TopK` takes them, with the
/// loss of `Matryoshka`.
enum NestedTopK: Recipe {
  static let name = "nested-topk"
  static let summary = "topk with the levels of matryoshka"
  static let ownSettings = Matryoshka.ownSettings

  static func check(_ settings: TrainingSettings) throws { try Matryoshka.check(settings) }

  static func choose(_ batch: inout Batch) -> Batch.Choice {
    var choice = TopK.choose(&batch)
    choice.codes = choice.codes.inOrderOfFeatures
    return choice
  }

  static func derive(_ batch: inout Batch, _ choice: Batch.Choice) -> Batch.Loss {
    Matryoshka.derive(&batch, choice)
  }
}
