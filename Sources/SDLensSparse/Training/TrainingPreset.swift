extension TrainingSettings {
  /// Settings that belong together.
  public enum Preset: String, CaseIterable, Sendable {
    case paper, small

    /// What is taken for so many vectors.
    public static func usual(vectors: Int) -> Preset { vectors < 10_000_000 ? .small : .paper }

    /// The settings for vectors of `width`; `small` is for stores of up to some million vectors, as `shapes` has
    /// them: where there is less to learn, most of many features are never active.
    public func settings(width: Int) -> TrainingSettings {
      var settings = TrainingSettings()
      guard self == .small else { return settings }
      settings.features = 2 * width
      settings.learningRate = 1e-3
      settings.steps = 500
      settings.warmup = 20
      settings.decay = 0.3
      settings.deadAfter = 200_000
      return settings
    }
  }
}
