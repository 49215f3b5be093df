/// What an ablation measures of each dictionary.
public enum AblationMeasure: String, CaseIterable, Sendable, Codable {
  /// How well vectors are reconstructed.
  case reconstruction
  /// How many features are active.
  case activity
  /// How alike a feature's pictures are: the metric of that name.
  case specificity
  /// How well a feature's caption fits its pictures: the metric of that name.
  case interpretability
  /// How well one value of `shapes` tells when a feature is active.
  case detection
  /// How well features tell the values of `shapes`.
  case truth
  /// How well some features together tell the values of `shapes`.
  case probing
  /// Whether features make and unmake the values of `shapes`.
  case steering

  /// A number that a measure tells.
  public struct Column: Sendable, Codable, Equatable {
    /// As it is called in files.
    public let name: String
    /// As it is called in tables.
    public let title: String
    /// What it is, in a sentence.
    public let meaning: String
    /// Digits behind the point in tables.
    public let decimals: Int

    init(_ name: String, _ title: String, _ meaning: String, decimals: Int = 3) {
      (self.name, self.title, self.meaning, self.decimals) = (name, title, meaning, decimals)
    }
  }

  /// Its numbers.
  public var columns: [Column] {
    switch self {
    case .reconstruction:
      [
        Column("loss", "loss", "Mean squared error of the vectors' entries.", decimals: 5),
        Column(
          "explained_variance", "expl. var.", "The share of the vectors' total variance that is explained."),
      ]
    case .activity:
      [
        Column("l0", "L0", "Active features of a vector, on average.", decimals: 2),
        Column("dead", "dead", "The share of the features that are never active."),
      ]
    case .specificity:
      [Column("specificity", "specific", "Mean CLIP similarity of the pictures of a feature's top 5 %.")]
    case .interpretability:
      [Column("caption", "caption", "CLIP similarity of a feature's caption and its pictures.")]
    case .detection:
      [
        Column(
          "detection", "detection",
          "Balanced accuracy with which the best single value of shapes tells whether a feature is active in a picture; 0.5 is chance."
        )
      ]
    case .truth:
      [
        Column(
          "auroc", "AUROC", "Of the best feature of each value that the block carries, per picture."),
        Column("auroc_place", "per place", "The same for places."),
        Column("mcc", "MCC", "Mean correlation of the values with features of their own."),
        Column("f1", "F1", "Of these features as detectors."),
      ]
    case .probing:
      [
        Column("probe_1", "probe 1", "F1 of the best feature of a value in a logistic regression."),
        Column("probe_5", "probe 5", "F1 of the five best features of a value in a logistic regression."),
      ]
    case .steering:
      [
        Column("on", "on", "The judge's probability of a value that at most 8 features put in.", decimals: 2),
        Column(
          "off", "off", "The judge's probability of a value that at most 8 features take out.", decimals: 2),
      ]
    }
  }

  /// Whether the truth must be known.
  var needsTruth: Bool {
    switch self {
    case .detection, .truth, .probing, .steering: true
    case .reconstruction, .activity, .specificity, .interpretability: false
    }
  }
}

/// What a measure found of a dictionary, or why it found nothing.
struct AblationResult: Codable, Sendable, Equatable {
  var values: [String: Double] = [:]
  var omission: String?
}
