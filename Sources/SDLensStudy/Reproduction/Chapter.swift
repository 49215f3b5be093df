/// A chapter of the report, in its order.
public enum Chapter: String, CaseIterable, Codable, Sendable {
  case blocks, training, cases, roles, locality, features, captions, ablations

  /// Its heading.
  var title: String {
    switch self {
    case .blocks: "Which blocks matter"
    case .training: "Dictionaries and what they lose"
    case .cases: "Case studies: what features do"
    case .roles: "What each block is for"
    case .locality: "Where features act"
    case .features: "How alike, textured and coloured"
    case .captions: "Captions of features"
    case .ablations: "Other ways to make dictionaries"
    }
  }

  /// Where the paper has it.
  var source: String {
    switch self {
    case .blocks: "Sec. 3, App. C, Fig. 3"
    case .training: "Sec. 3, App. A and D, Table 2, Fig. 4"
    case .cases: "Sec. 4, App. E and F, Fig. 1 and 5 to 10, footnote 4"
    case .roles: "Sec. 4.3 and 7"
    case .locality: "Sec. 5.2, Table 1b"
    case .features: "Sec. 5.2, Table 1a"
    case .captions: "Sec. 5.1 and 5.2, App. G, Fig. 11"
    case .ablations: "not in the paper"
    }
  }

  /// What it is about.
  var text: String {
    switch self {
    case .blocks:
      "A block is left out: its update is not added. How far a picture moves is the mean over its pixels of the "
        + "distance |Δred| + |Δgreen| + |Δblue|, from 0 to 765."
    case .training:
      "A sparse autoencoder for the updates of each block. Explained variance is of the total; what is lost shows when "
        + "the reconstruction takes the place of the update."
    case .cases:
      "Features of one prompt and features by themselves: modulated by β, alone on the empty prompt by γ, added to other "
        + "prompts, painted on areas."
    case .roles:
      "The paper reads the roles of the blocks off pictures. Where the truth of a picture is known they can be measured: by "
        + "the single feature that tells a factor best (AUROC; 0.5 is chance), and by what a judge no longer sees when a "
        + "block is left out."
    case .locality:
      "A feature is modulated by β in pictures in which it is strong; the picture moves inside its active area and outside."
    case .features:
      "Specificity: how alike pictures are in which a feature is strongest. Texture: whether a feature alone makes what looks "
        + "like “texture”. Colour: how far the colours under its map are from their mean."
    case .captions:
      "What features are called; whether that fits the pictures they are active in (interpretability), what they make alone "
        + "(causality), and the prompts that say it (sensitivity). Where CLIP chose the captions: which of ten pictures that "
        + "it did not see have the feature (detection), and whether the marked area is what the caption says (fuzzing), as "
        + "CLIP judges; 0.5 is chance."
    case .ablations:
      "The paper makes its dictionaries of the updates of blocks, by TopK. Here others stand beside them at down.2.1: of the "
        + "stream before and behind the block and of its attention heads, of other sizes and by other recipes, each trained "
        + "several times and measured on pictures that none has seen. Explained variance is of each one's own vectors."
    }
  }

  /// The chapter of a source, as claims name it.
  init(of source: String) {
    self =
      switch source {
      case "Table 1a": .features
      case "Table 1b": .locality
      case "Table 2": .training
      case "Footnote 4": .cases
      default: .captions
      }
  }
}
