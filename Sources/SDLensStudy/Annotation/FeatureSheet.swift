import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// Which pictures of a feature are looked at.
public struct SheetPlan: Sendable, Equatable {
  /// Pictures in which it is not active.
  public var unrelated: Int
  /// Pictures from weak to strong.
  public var progression: Int
  /// The strongest.
  public var strongest: Int
  /// Whether its maps are needed.
  public var hasMaps: Bool
  /// The most pictures from which the unrelated are taken: few are made sooner.
  public var unrelatedPool: Int?

  /// No pictures, unless some are said.
  public init(
    unrelated: Int = 0, progression: Int = 0, strongest: Int = 0, hasMaps: Bool = false,
    unrelatedPool: Int? = nil
  ) {
    (self.unrelated, self.progression, self.strongest) = (unrelated, progression, strongest)
    (self.hasMaps, self.unrelatedPool) = (hasMaps, unrelatedPool)
  }

  /// What the paper shows a language model (Sec. 5.1, App. G).
  public static let paper = SheetPlan(unrelated: 5, progression: 9, strongest: 5, hasMaps: true)
}

/// What an annotator sees of a feature.
public struct FeatureSheet: Sendable {
  /// A picture in which the feature is active.
  public struct Shown: Sendable {
    /// The picture.
    public let picture: Picture
    /// The feature's map over it, [height, width]; nil where none was asked for.
    public let map: Tensor?
    /// How strong the feature is, as a share of the strongest picture.
    public let share: Double

    package init(picture: Picture, map: Tensor?, share: Double) {
      (self.picture, self.map, self.share) = (picture, map, share)
    }

    /// The picture with all faded to white where the feature is weak or not active; itself without a map.
    public var cold: Picture { map.map { ColdMap()($0, over: picture) } ?? picture }
  }

  /// The block.
  public let block: BlockName
  /// Its feature.
  public let feature: Int
  /// Pictures without it.
  public let unrelated: [Picture]
  /// Pictures with it, weak ones first.
  public let progression: [Shown]
  /// Those in which it is strongest, the strongest first.
  public let strongest: [Shown]
  /// The numbers of all these pictures.
  public let numbers: Set<Int>

  package init(
    block: BlockName, feature: Int, unrelated: [Picture], progression: [Shown], strongest: [Shown],
    numbers: Set<Int>
  ) {
    (self.block, self.feature, self.unrelated) = (block, feature, unrelated)
    (self.progression, self.strongest, self.numbers) = (progression, strongest, numbers)
  }
}
