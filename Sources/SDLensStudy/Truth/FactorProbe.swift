import SDLensCore
import SDLensShapes

/// How well one direction for each value tells the factors of `shapes`, all channels together instead of the best one:
/// that of a linear probe, or the mean of the rows with a value less that of the others.
///
/// It learns on one half of the pictures (the 1st, 3rd, …) and is measured on the other, as features are by
/// `FactorScorer`. A picture is the mean of its vectors.
public struct FactorProbe: Sendable {
  private struct Rows {
    var values: [Double] = []
    var labels = RowLabels(count: ShapesTruth.labels.count)

    mutating func add(_ row: some Sequence<Double>, _ label: ShapesTruth.Labels) {
      values.append(contentsOf: row)
      labels.append(label)
    }
  }

  private let width: Int
  private let placePictures: Int
  private var pictures = [Rows(), Rows()]
  private var places = [Rows(), Rows()]
  private var count = 0
  private var placesPerPicture = 1

  /// A probe for vectors of a width; places are taken from the first `placePictures` pictures only.
  public init(width: Int, placePictures: Int) { (self.width, self.placePictures) = (width, placePictures) }

  /// Adds a picture by the vectors of its places, [places, width].
  public mutating func add(_ rows: Tensor, _ truth: ShapesTruth) {
    precondition(rows.width == width && rows.rows == truth.places.count, "\(rows.shape)")
    let (half, matrix) = (count % 2, Matrix(rows))
    placesPerPicture = rows.rows
    var mean = [Double](repeating: 0, count: width)
    for index in matrix.elements.indices {
      mean[index % width] += matrix.elements[index] / Double(matrix.rows)
    }
    pictures[half].add(mean, truth.picture)
    if count < placePictures {
      for (place, label) in truth.places.enumerated() { places[half].add(matrix.row(place), label) }
    }
    count += 1
  }

  /// Where a direction comes from.
  public enum Source: Sendable {
    /// Logistic regression.
    case regression
    /// The difference of the means of the rows with and without the value.
    case means
  }

  /// What one direction for each value reaches.
  public func scores(_ source: Source) -> (scores: FactorScores, matches: FactorMatches) {
    let (pictures, places) = (
      Level(pictures, width, rows: 1, source), Level(places, width, rows: placesPerPicture, source)
    )
    return (
      FactorScores(pictures: pictures.best, places: places.best),
      FactorMatches(pictures: pictures.matches, places: places.matches, hasDirections: false)
    )
  }

  /// The scores of pictures or of places.
  private struct Level {
    let best: [FactorScores.Best?]
    let matches: MatchedFeatures

    /// Learns on the first half; the pictures have so many rows each.
    init(_ halves: [Rows], _ width: Int, rows: Int, _ source: Source) {
      let tables = halves.map { Matrix($0.values, rows: $0.labels.rows.count, columns: width) }
      let margins = Parallel.map(ShapesTruth.labels.count) { label -> [[Float]]? in
        guard zip(tables, halves).allSatisfy({ 1..<$0.rows ~= $1.labels.positives[label] && $0.rows > 0 })
        else { return nil }
        switch source {
        case .regression:
          let classes = halves[0].labels.rows.indices.map { halves[0].labels.has(label, row: $0) ? 1 : 0 }
          let probe = LinearProbe(tables[0], classes: classes, count: 2, c: 0.1, tolerance: 1e-4)
          return tables.map { table in
            let logits = probe.logits(table)
            return (0..<logits.rows).map { Float(logits[$0, 1] - logits[$0, 0]) }
          }
        case .means:
          let direction = halves[0].labels.meanDifference(of: tables[0], label)
          return tables.map { ($0.times(transposed: direction)).elements.map { Float($0) } }
        }
      }
      best = margins.enumerated().map { label, margins in
        guard let margins else { return nil }
        let parts = zip(margins, halves).map { margins, half in
          AUROCParts(
            margins, positive: half.labels.rows.indices.map { half.labels.has(label, row: $0) }, rows: rows)
        }
        guard let chosen = parts[0], let measured = parts[1] else { return nil }
        return FactorScores.Best(
          feature: 0, isNegative: false, chosen: chosen.area, parts: measured,
          positives: halves[1].labels.positives[label], rows: tables[1].rows)
      }
      func half(_ index: Int) -> MatchedFeatures.Half {
        var columns = SparseColumns(count: margins.count)
        for row in 0..<tables[index].rows { columns.append(margins.map { $0?[index][row] ?? 0 }) }
        return (columns, halves[index].labels)
      }
      matches = MatchedFeatures(choosing: half(0), measuring: half(1), rows: rows, isOwn: true)
    }
  }
}

extension RowLabels {
  /// The mean of the rows with a label less that of the others, [1, width].
  fileprivate func meanDifference(of x: Matrix, _ label: Int) -> Matrix {
    let count = Double(positives[label])
    let weights = rows.indices.map { has(label, row: $0) ? 1 / count : -1 / (Double(rows.count) - count) }
    return Matrix(weights, rows: 1, columns: weights.count) * x
  }
}
