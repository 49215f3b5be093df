import SDLensCore

/// The one-to-one match of features with labels: each label has a feature of its own, as far as there are enough.
///
/// Matched are those whose correlations with the labels add up to most (the Hungarian algorithm), on the rows of one
/// half; on them too each feature gets the threshold that makes its F1 largest. Both are measured on the other half.
/// The mean of these correlations is the mean correlation coefficient (MCC) of Hyvärinen and Morioka, 2016.
public struct MatchedFeatures: Sendable {
  /// A half of the rows: scores, and what is true of them.
  public typealias Half = (columns: SparseColumns, labels: RowLabels)

  /// A label's feature.
  public struct Match: Sendable, Equatable {
    /// The column of its scores.
    public let column: Int
    /// Whether the scores count with their sign turned.
    public let isNegative: Bool
    /// The correlation on the rows on which it was matched.
    public let chosen: Double
    /// The smallest score that says yes.
    public let threshold: Float
    /// The column that correlates most with the label, whatever the others take.
    public let best: Int
    /// What the measured rows of each picture add to the sums of `Sums`.
    let parts: [Sums]
    /// How many pictures it was measured on.
    public var pictures: Int { parts.count }
    /// On the measured rows.
    public var figures: Figures { Figures(parts.reduce(Sums(), +)) }
  }

  /// The sums over rows that all figures are made of.
  struct Sums: Sendable, Equatable {
    /// Rows, positive rows, Σ x, Σ x², Σ x y.
    var rows, positives, x, squares, products: Double
    /// Positives and negatives at or above the threshold.
    var right, wrong: Double
    /// Positives on which the feature is silent while a related one is active.
    var absorbed: Double

    init() { (rows, positives, x, squares, products, right, wrong, absorbed) = (0, 0, 0, 0, 0, 0, 0, 0) }

    init(_ values: some Sequence<Double>) {
      self.init()
      let all = Array(values)
      (rows, positives, x, squares, products) = (all[0], all[1], all[2], all[3], all[4])
      (right, wrong, absorbed) = (all[5], all[6], all[7])
    }

    var values: [Double] { [rows, positives, x, squares, products, right, wrong, absorbed] }

    static func + (a: Sums, b: Sums) -> Sums { Sums(zip(a.values, b.values).map(+)) }
  }

  /// How well a feature tells its label.
  public struct Figures: Sendable, Equatable {
    /// Pearson's, of scores and labels; 0 where the scores are constant, which tells nothing, and NaN where the labels are.
    public let correlation: Double
    /// The share of yes that is right; 0 of none.
    public let precision: Double
    /// The share of positives that are said.
    public let recall: Double
    /// `2 right / (said + positives)`.
    public let f1: Double
    /// The share of positives on which it is silent while a related feature is active.
    public let absorption: Double

    init(_ sums: Sums) {
      let variance = (
        sums.squares - sums.x * sums.x / sums.rows,
        sums.positives - sums.positives * sums.positives / sums.rows
      )
      correlation =
        variance.0 == 0 && variance.1 > 0
        ? 0 : (sums.products - sums.x * sums.positives / sums.rows) / (variance.0 * variance.1).squareRoot()
      let said = sums.right + sums.wrong
      precision = said == 0 ? 0 : sums.right / said
      recall = sums.right / sums.positives
      f1 = 2 * sums.right / (said + sums.positives)
      absorption = sums.absorbed / sums.positives
    }
  }

  /// For each label; nil where a half has no row with it or none without, or where no feature is left.
  public let matches: [Match?]

  /// Matches the columns with the labels.
  ///
  /// - Parameters:
  ///   - rows: how many rows one after the other are one picture's.
  ///   - isSigned: whether columns may count with either sign.
  ///   - isOwn: whether column i belongs to label i already.
  ///   - directions: of the columns, for absorption; nil where there are none.
  public init(
    choosing: Half, measuring: Half, rows: Int = 1, isSigned: Bool = false, isOwn: Bool = false,
    directions: Tensor? = nil
  ) {
    let count = choosing.labels.count
    func isMixed(_ half: Half, _ label: Int) -> Bool { 1..<half.columns.rows ~= half.labels.positives[label] }
    let labels = (0..<count).filter { isMixed(choosing, $0) && isMixed(measuring, $0) }
    let table = Self.correlations(choosing)
    var scores = Matrix(rows: labels.count, columns: table.rows)
    for (row, label) in labels.enumerated() {
      for column in 0..<table.rows {
        let r = table[column, label]
        // What never changes is taken last.
        scores[row, column] = Self.isConstant(choosing, column) ? -1 : isSigned ? abs(r) : r
      }
    }
    let assigned = isOwn ? labels.map { Optional($0) } : Assignment.largest(scores)
    let related = directions.map { UnitVectors($0) }
    let found = Parallel.map(labels.count) { row -> Match? in
      guard let column = assigned[row] else { return nil }
      let label = labels[row]
      let r = table[column, label]
      let sign: Float = isSigned && r < 0 ? -1 : 1
      let threshold = Self.threshold(choosing, column, label, sign)
      let best = (0..<table.rows).reduce(0) { scores[row, $1] > scores[row, $0] ? $1 : $0 }
      let standIns = related.map { vectors in
        (0..<vectors.count).filter {
          $0 != column && vectors.cosine(column, with: $0, of: vectors) >= Absorption.related
        }
      }
      return Match(
        column: column, isNegative: sign < 0, chosen: Double(sign) * r, threshold: threshold, best: best,
        parts: Self.parts(measuring, column, label, sign, threshold, rows, standIns ?? []))
    }
    var matches = [Match?](repeating: nil, count: count)
    for (row, label) in labels.enumerated() { matches[label] = found[row] }
    self.matches = matches
  }

  /// The share of different features among the best of each of some labels; nil of none.
  public func uniqueness(of labels: some Sequence<Int>) -> Double? {
    let best = labels.compactMap { matches[$0]?.best }
    return best.isEmpty ? nil : Double(Set(best).count) / Double(best.count)
  }

  private static func isConstant(_ half: Half, _ column: Int) -> Bool {
    let entries = half.columns[column]
    guard let first = entries.first else { return true }
    return entries.count == half.columns.rows && entries.allSatisfy { $0.value == first.value }
  }

  /// Pearson's correlation of every column with every label, [columns, labels].
  private static func correlations(_ half: Half) -> Matrix {
    let (columns, labels) = (half.columns, half.labels)
    let rows = Parallel.map(columns.count) { column -> [Double] in
      var sums = Sums()
      var products = [Double](repeating: 0, count: labels.count)
      for entry in columns[column] {
        let x = Double(entry.value)
        sums.x += x
        sums.squares += x * x
        for label in labels.rows[Int(entry.row)].bits { products[label] += x }
      }
      return products.enumerated().map { label, product in
        var own = sums
        (own.rows, own.positives, own.products) = (
          Double(columns.rows), Double(labels.positives[label]), product
        )
        return Figures(own).correlation
      }
    }
    return Matrix(rows.flatMap(\.self), rows: columns.count, columns: labels.count)
  }

  private static func dense(_ half: Half, _ column: Int, _ sign: Float) -> [Float] {
    var scores = [Float](repeating: 0, count: half.columns.rows)
    for entry in half.columns[column] { scores[Int(entry.row)] = sign * entry.value }
    return scores
  }

  /// The score from which on yes is said, such that F1 is largest; of equal ones the largest.
  private static func threshold(_ half: Half, _ column: Int, _ label: Int, _ sign: Float) -> Float {
    let scores = dense(half, column, sign)
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    let positives = half.labels.positives[label]
    var (right, best) = (0, (f1: -1.0, score: Float.infinity))
    for (place, row) in order.enumerated() {
      if half.labels.has(label, row: row) { right += 1 }
      // Rows of one score are all said, or none.
      if place + 1 < order.count, scores[order[place + 1]] == scores[row] { continue }
      let f1 = 2 * Double(right) / Double(place + 1 + positives)
      if f1 > best.f1 { best = (f1, scores[row]) }
    }
    return best.score
  }

  private static func parts(
    _ half: Half, _ column: Int, _ label: Int, _ sign: Float, _ threshold: Float, _ rows: Int,
    _ standIns: [Int]
  ) -> [Sums] {
    let scores = dense(half, column, sign)
    var isStoodIn = [Bool](repeating: false, count: scores.count)
    for other in standIns { for entry in half.columns[other] { isStoodIn[Int(entry.row)] = true } }
    return stride(from: 0, to: scores.count, by: rows).map { start in
      var sums = Sums()
      for row in start..<start + rows {
        let (x, isPositive) = (Double(scores[row]), half.labels.has(label, row: row))
        sums.rows += 1
        sums.x += x
        sums.squares += x * x
        if isPositive {
          sums.positives += 1
          sums.products += x
          if x == 0, isStoodIn[row] { sums.absorbed += 1 }
        }
        guard scores[row] >= threshold else { continue }
        if isPositive { sums.right += 1 } else { sums.wrong += 1 }
      }
      return sums
    }
  }
}
