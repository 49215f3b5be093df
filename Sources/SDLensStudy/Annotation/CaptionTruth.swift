import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// Whether captions on `shapes` are true: whether they name a value of a factor that the feature tells.
struct CaptionTruth {
  /// From this area under the ROC curve on a feature tells a value; the mean of two halves of the pictures.
  static let tells = 0.9
  /// Pictures that are looked at, from the first on.
  static let pictures = 2000

  /// For each feature the values that it tells.
  private let told: [Set<ShapesWorld.FactorValue>]

  /// Measures each feature against every value, by its largest activation in a picture.
  ///
  /// - Throws: `NotOfShapes`, `BlockNotStored`, `EmptyStore`, `WidthMismatch`, `DamagedShard`.
  init(of block: BlockName, _ autoencoder: SparseAutoencoder, in store: ActivationStore, advance: () -> Void)
    throws
  {
    let updates = try LabelledUpdates(of: "\(block)", in: store, limit: Self.pictures)
    try updates.check(autoencoder)
    var scorer = FactorScorer(features: autoencoder.features, placePictures: 0)
    for picture in 0..<updates.count {
      scorer.add(autoencoder.encode(try updates.vectors(picture)), updates.truth(picture))
      advance()
    }
    let halves = [scorer.choosing, scorer.measuring]
    told = Parallel.map(autoencoder.features) { feature in
      let areas = halves.map { AUROC.areas($0.pictures[feature], $0.pictureLabels) }
      return Set(
        ShapesTruth.labels.indices.filter { label in
          Bootstrap.mean(areas.map { $0[label] ?? 0 }) >= Self.tells
        }.map { ShapesTruth.labels[$0] })
    }
  }

  /// The values that a feature tells.
  func values(of feature: Int) -> Set<ShapesWorld.FactorValue> { told[feature] }

  /// Whether a caption names a value that a feature tells (1 or 0), and the share of those it names that the feature
  /// tells; of a caption that names none only the first.
  func scores(of caption: String, _ feature: Int) -> (isTrue: Double, share: Double?) {
    let named = ShapesCaption.values(in: caption)
    let right = named.count(where: told[feature].contains)
    return (right > 0 ? 1 : 0, named.isEmpty ? nil : Double(right) / Double(named.count))
  }
}
