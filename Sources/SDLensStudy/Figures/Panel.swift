import SDLensDiffusion

/// A run that makes a picture: its prompt and everything else that decides it.
public struct Scene: Hashable, Sendable {
  /// What the picture shows; may be empty.
  public var prompt: String
  /// Seed, steps, guidance and size.
  public var settings: RunSettings

  /// A run of a prompt.
  public init(_ prompt: String, _ settings: RunSettings) {
    (self.prompt, self.settings) = (prompt, settings)
  }
}

/// What one cell of a figure shows.
public struct Panel: Hashable, Sendable {
  /// How the picture of a run is shown.
  public enum Look: Hashable, Sendable {
    /// As it is.
    case plain
    /// Under the map of a feature in the run without edits.
    case heat(BlockName, feature: Int)
    /// Not at all: the colours that `heat` lays over it, alone, a pixel for each place of the map.
    case overlay(BlockName, feature: Int)
    /// Faded to white where a feature is not active in the run without edits.
    case cold(BlockName, feature: Int)
    /// With an area of a block's map drawn in.
    case area(Mask, BlockName)
    /// How much differs from the run without edits.
    case difference

    /// The feature whose activations are shown as colours on a scale.
    var scaled: (BlockName, feature: Int)? {
      switch self {
      case .heat(let block, let feature), .overlay(let block, let feature): (block, feature)
      case .plain, .cold, .area, .difference: nil
      }
    }
  }

  /// The run.
  public var scene: Scene
  /// What is done to its blocks.
  public var edits: [Edit]
  /// How it is shown.
  public var look: Look

  /// The picture of a run with edits.
  public init(_ scene: Scene, _ edits: [Edit] = [], look: Look = .plain) {
    (self.scene, self.edits, self.look) = (scene, edits, look)
  }

  /// The picture of a run under the map of a feature.
  public static func heat(_ scene: Scene, _ block: BlockName, _ feature: Int) -> Panel {
    Panel(scene, look: .heat(block, feature: feature))
  }

  /// The runs that it needs.
  var shots: [Shot] {
    let shot = Shot(scene: scene, edits: edits)
    return look == .difference ? [Shot(scene: scene, edits: []), shot] : [shot]
  }

  /// The block whose features it shows.
  var block: BlockName? {
    switch look {
    case .heat(let block, _), .overlay(let block, _), .cold(let block, _): block
    case .plain, .area, .difference: nil
    }
  }
}

/// One run: a scene with edits.
struct Shot: Hashable {
  let scene: Scene
  let edits: [Edit]
}
