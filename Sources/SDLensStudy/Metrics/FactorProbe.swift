import SDLensCore

/// How well a linear probe tells the factors of `shapes`: all channels together instead of the best one.
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

  /// A probe for vectors of a width; places are taken from the first `placePictures` pictures only.
  public init(width: Int, placePictures: Int) { (self.width, self.placePictures) = (width, placePictures) }

  /// Adds a picture by the vectors of its places, [places, width].
  public mutating func add(_ rows: Tensor, _ truth: ShapesTruth) {
    precondition(rows.width == width && rows.rows == truth.places.count, "\(rows.shape)")
    let (half, matrix) = (count % 2, Matrix(rows))
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

  /// What probes reach for every value.
  public func scores() -> FactorScores { FactorScores(pictures: best(pictures), places: best(places)) }

  private func best(_ halves: [Rows]) -> [FactorScores.Best?] {
    let tables = halves.map { Matrix($0.values, rows: $0.labels.rows.count, columns: width) }
    var result = [FactorScores.Best?](repeating: nil, count: ShapesTruth.labels.count)
    result.withUnsafeMutableBufferPointer { result in
      // Disjoint: each call writes the score of its own label.
      Parallel.forEach(result.count) { label in
        guard
          zip(tables, halves).allSatisfy({ 1..<$0.rows ~= $1.labels.positives[label] && $0.rows > 0 })
        else { return }
        func classes(_ half: Rows) -> [Int] {
          half.labels.rows.indices.map { half.labels.has(label, row: $0) ? 1 : 0 }
        }
        let probe = LinearProbe(tables[0], classes: classes(halves[0]), count: 2, c: 0.1, tolerance: 1e-4)
        func area(_ half: Int) -> Double {
          let logits = probe.logits(tables[half])
          let margins = (0..<logits.rows).map { Float(logits[$0, 1] - logits[$0, 0]) }
          return AUROC.area(margins, positive: classes(halves[half]).map { $0 == 1 }) ?? 0
        }
        result[label] = FactorScores.Best(
          feature: 0, isNegative: false, chosen: area(0), measured: area(1),
          positives: halves[1].labels.positives[label], rows: tables[1].rows)
      }
    }
    return result
  }
}
