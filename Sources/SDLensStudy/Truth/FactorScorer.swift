import SDLensCore
import SDLensShapes
import SDLensSparse

/// Finds, picture after picture, how well single features tell the factors of the world of `shapes`.
///
/// For every value of every factor the feature with the largest AUROC is chosen on one half of the pictures
/// (the 1st, 3rd, …) and measured on the other. Scored are pictures (the largest or the mean activation over the
/// map) and places (the activation itself, see `ShapesTruth.places`). Features are those of sparse codes, or
/// directions in a dense space: raw channels, principal or random directions, which may count with either sign.
///
/// Memory: 8 bytes for each activation that is not 0, of places only for the first `placePictures` pictures.
public struct FactorScorer: Sendable {
  /// What a picture's score is made of.
  public enum Pooling: String, CaseIterable, Sendable, Codable {
    /// The largest activation over the map: an object is somewhere.
    case max
    /// The mean activation over the map.
    case mean
  }

  /// One half of the pictures.
  public struct Half: Sendable {
    /// The scores of the pictures.
    public fileprivate(set) var pictures: SparseColumns
    /// What is true of them.
    public fileprivate(set) var pictureLabels = RowLabels(count: ShapesTruth.labels.count)
    /// The scores of the places.
    public fileprivate(set) var places: SparseColumns
    /// What is true of them.
    public fileprivate(set) var placeLabels = RowLabels(count: ShapesTruth.labels.count)
  }

  /// On which features are chosen.
  public private(set) var choosing: Half
  /// On which the chosen ones are measured.
  public private(set) var measuring: Half
  private let pooling: Pooling
  private let isSigned: Bool
  private let placePictures: Int
  private let width: Int
  private var pictures = 0
  private var placesPerPicture = 1

  /// A scorer of sparse codes of a dictionary of so many features.
  public init(features: Int, pooling: Pooling = .max, placePictures: Int = 2000) {
    self.init(width: features, isSigned: false, pooling, placePictures)
  }

  /// A scorer of dense vectors, each of whose entries counts with either sign.
  public init(directions: Int, pooling: Pooling = .max, placePictures: Int = 2000) {
    self.init(width: directions, isSigned: true, pooling, placePictures)
  }

  private init(width: Int, isSigned: Bool, _ pooling: Pooling, _ placePictures: Int) {
    (self.width, self.isSigned, self.pooling) = (width, isSigned, pooling)
    self.placePictures = placePictures
    // The largest of −x is not minus the largest of x: pictures have a column for each sign. Places need none.
    let half = Half(
      pictures: SparseColumns(count: isSigned ? 2 * width : width), places: SparseColumns(count: width))
    (choosing, measuring) = (half, half)
  }

  /// Adds a picture by the codes of its places, row by row of the map.
  public mutating func add(_ codes: Codes, _ truth: ShapesTruth) {
    precondition(
      !isSigned && codes.rows == truth.places.count, "\(codes.rows) of \(truth.places.count) places")
    var pooled: [Int: Float] = [:]
    var rows = [[(column: Int, value: Float)]](repeating: [], count: codes.rows)
    codes.forEachActive { row, feature, value in
      rows[row].append((feature, value))
      let before = pooled[feature] ?? 0
      pooled[feature] = pooling == .max ? Swift.max(before, value) : before + value / Float(codes.rows)
    }
    add(truth, pooled.map { (column: $0, value: $1) }) { half in
      for row in rows { half.places.append(row) }
    }
  }

  /// Adds a picture by the vectors of its places, [places, directions].
  public mutating func add(_ rows: Tensor, _ truth: ShapesTruth) {
    precondition(isSigned && rows.width == width, "\(rows.shape) as \(width) directions")
    precondition(rows.rows == truth.places.count, "\(rows.rows) of \(truth.places.count) places")
    let width = width
    rows.withElements { x in
      let scores = (0..<2 * width).map { column in
        let (sign, channel): (Float, Int) = column < width ? (1, column) : (-1, column - width)
        let values = stride(from: channel, to: x.count, by: width).lazy.map { sign * x[$0] }
        return pooling == .max ? values.max() ?? 0 : values.reduce(0, +) / Float(x.count / width)
      }
      add(truth, scores.enumerated().map { (column: $0, value: $1) }) { half in
        for row in 0..<x.count / width { half.places.append(x[row * width..<(row + 1) * width]) }
      }
    }
  }

  /// Adds a picture to the half whose turn it is.
  private mutating func add(
    _ truth: ShapesTruth, _ scores: [(column: Int, value: Float)], places: (inout Half) -> Void
  ) {
    let hasPlaces = pictures < placePictures
    placesPerPicture = truth.places.count
    func add(to half: inout Half) {
      half.pictures.append(scores)
      half.pictureLabels.append(truth.picture)
      guard hasPlaces else { return }
      places(&half)
      for labels in truth.places { half.placeLabels.append(labels) }
    }
    if pictures % 2 == 0 { add(to: &choosing) } else { add(to: &measuring) }
    pictures += 1
  }

  /// The best feature for every value, per picture and per place.
  public func scores() -> FactorScores {
    FactorScores(
      pictures: best(\.pictures, \.pictureLabels, mirrored: false),
      places: best(\.places, \.placeLabels, mirrored: isSigned))
  }

  /// Chooses on one half and measures on the other. `mirrored`: the columns count once more with their sign
  /// turned, as columns `width...`, whose areas are one minus those of the first.
  private func best(
    _ columns: KeyPath<Half, SparseColumns>, _ labels: KeyPath<Half, RowLabels>, mirrored: Bool
  ) -> [FactorScores.Best?] {
    let table = choosing[keyPath: columns]
    let areas = Parallel.map(table.count) { AUROC.areas(table[$0], choosing[keyPath: labels]) }
    let measured = measuring[keyPath: labels]
    // Rows of one picture are drawn together.
    let rows = columns == \.places ? placesPerPicture : 1
    return Parallel.map(ShapesTruth.labels.count) { label in
      let candidates = (0..<(mirrored ? 2 : 1) * table.count).compactMap { column in
        areas[column % table.count][label].map { (column: column, area: column < table.count ? $0 : 1 - $0) }
      }
      return candidates.largest.flatMap { column, chosen in
        var scores = [Float](repeating: 0, count: measured.rows.count)
        for entry in measuring[keyPath: columns][column % table.count] {
          scores[Int(entry.row)] = entry.value
        }
        let positive = measured.rows.indices.map { measured.has(label, row: $0) }
        guard let parts = AUROCParts(scores, positive: positive, rows: rows) else { return nil }
        return FactorScores.Best(
          feature: column % width, isNegative: column >= width, chosen: chosen,
          parts: column < table.count ? parts : parts.negated, positives: measured.positives[label],
          rows: measured.rows.count)
      }
    }
  }
}

extension [(column: Int, area: Double)] {
  /// The one with the largest area, of equal ones the first.
  fileprivate var largest: Element? { self.max { ($0.area, $1.column) < ($1.area, $0.column) } }
}

extension FactorScorer {
  /// The one-to-one match of features with values, per picture and per place.
  ///
  /// - Parameter directions: of the features, for absorption.
  public func matches(directions: Tensor? = nil) -> FactorMatches {
    FactorMatches(
      pictures: MatchedFeatures(
        choosing: (choosing.pictures, choosing.pictureLabels),
        measuring: (measuring.pictures, measuring.pictureLabels), directions: directions),
      places: MatchedFeatures(
        choosing: (choosing.places, choosing.placeLabels),
        measuring: (measuring.places, measuring.placeLabels),
        rows: placesPerPicture, isSigned: isSigned, directions: directions),
      hasDirections: directions != nil)
  }
}

/// The one-to-one match of features with values, per picture and per place.
public struct FactorMatches: Sendable {
  /// Over whole pictures; labels are `ShapesTruth.labels`.
  public let pictures: MatchedFeatures
  /// Over places.
  public let places: MatchedFeatures
  /// Whether absorption was looked for.
  public let hasDirections: Bool

  /// The means over the values of some factors; nil where none has a match.
  public func summary(of factors: [ShapesWorld.Factor], in level: KeyPath<FactorMatches, MatchedFeatures>)
    -> MatchSummary?
  {
    let labels = ShapesTruth.labels.indices.filter { factors.contains(ShapesTruth.labels[$0].factor) }
    return MatchSummary(self[keyPath: level], labels, hasDirections: hasDirections)
  }
}
