import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// Whether captions on `shapes` are true: whether they name a value of a factor that the feature tells.
struct CaptionTruth {
  /// From this area under the ROC curve on a feature tells a value; the mean of two halves of the pictures.
  static let tells = 0.9
  /// Pictures of a store that are looked at, from the first on.
  static let pictures = 2000
  /// Pictures that are looked at where their runs must be made again.
  static let picturesMade = 500

  /// How many pictures were looked at.
  let pictures: Int
  /// For each feature the values that it tells.
  private let told: [Set<ShapesWorld.FactorValue>]

  /// Measures each feature against every value, by its largest activation in a picture.
  ///
  /// - Throws: `NotOfShapes`, `BlockNotStored`, `EmptyStore`, `WidthMismatch`, `DamagedShard`.
  init(
    of block: BlockName, _ autoencoder: SparseAutoencoder, in store: ActivationStore,
    limit: Int = CaptionTruth.pictures,
    advance: () -> Void = {}
  ) throws {
    let updates = try LabelledUpdates(of: "\(block)", in: store, limit: limit)
    try updates.check(autoencoder)
    try self.init(features: autoencoder.features, pictures: updates.count) { picture in
      advance()
      return (autoencoder.encode(try updates.vectors(picture)), updates.truth(picture))
    }
  }

  /// The same by the runs of the recorded pictures that a session makes again, for all of its blocks; of none where it
  /// cannot, or where they are not of `shapes`.
  ///
  /// - Throws: what is wrong with the model.
  static func made(in session: MetricSession, advance: () -> Void) throws -> [BlockName: CaptionTruth] {
    guard session.isMadeAgain, let recorded = session.recorded else { return [:] }
    let numbers = Array(session.numbers.prefix(picturesMade))
    let readings = numbers.map { ShapesGrammar.read(recorded.prompts[$0] ?? "") }
    guard readings.allSatisfy(\.isCaption), !numbers.isEmpty else { return [:] }
    for number in numbers {
      for block in session.blocks { _ = try session.codes(of: number, at: block) }
      advance()
    }
    let found = try session.blocks.compactMap { block -> (BlockName, CaptionTruth)? in
      guard let dictionary = session.dictionaries[block] else { return nil }
      let truth = try CaptionTruth(features: dictionary.autoencoder.features, pictures: numbers.count) {
        index in
        guard let codes = try session.codes(of: numbers[index], at: block) else {
          throw NothingRecorded(path: dictionary.path)
        }
        let shifts = ShapesShifts(seed: try recorded.seed(of: numbers[index]))
        let side = Int(Double(codes.rows).squareRoot())
        return (codes, ShapesTruth(readings[index].scene, shifts, side: side))
      }
      return (block, truth)
    }
    return Dictionary(uniqueKeysWithValues: found)
  }

  /// Measures features by their codes in pictures, and what is true of these.
  private init(features: Int, pictures: Int, _ picture: (Int) throws -> (Codes, ShapesTruth)) rethrows {
    var scorer = FactorScorer(features: features, placePictures: 0)
    for index in 0..<pictures {
      let (codes, truth) = try picture(index)
      scorer.add(codes, truth)
    }
    let halves = [scorer.choosing, scorer.measuring]
    self.pictures = pictures
    told = Parallel.map(features) { feature in
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
