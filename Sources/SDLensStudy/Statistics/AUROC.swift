/// The area under the ROC curve: how likely a random positive scores above a random negative, a tie counting half.
///
/// `A = (#{(p, n): s_p > s_n} + ½ #{(p, n): s_p = s_n}) / (P N)`, counted exactly in integers (Mann and Whitney).
public enum AUROC {
  /// The area for one label, nil when no row or every row has it; scores must not be NaN.
  public static func area(_ scores: [Float], positive: [Bool]) -> Double? {
    precondition(scores.count == positive.count, "\(scores.count) scores of \(positive.count) rows")
    var (columns, labels) = (SparseColumns(count: 1), RowLabels(count: 1))
    for (score, isPositive) in zip(scores, positive) {
      columns.append(CollectionOfOne(score))
      labels.append(isPositive ? 1 : 0)
    }
    return areas(columns[0], labels)[0]
  }

  /// The area of one column's scores for every label; the rows that have no entry are one tie at 0.
  ///
  /// Time: sorting the entries, then one step for each label of each entry.
  public static func areas(_ column: [SparseColumns.Entry], _ labels: RowLabels) -> [Double?] {
    let sorted = column.sorted { $0.value < $1.value }
    var count = PairCount(labels: labels.count)
    let firstAbove = sorted.firstIndex { $0.value >= 0 } ?? sorted.count
    count.add(sorted[..<firstAbove], labels)
    // The tie at 0 holds what is in no entry: all that the entries leave of rows and positives.
    var inEntries = [Int](repeating: 0, count: labels.count)
    for entry in sorted where entry.value != 0 {
      for label in labels.rows[Int(entry.row)].bits { inEntries[label] += 1 }
    }
    let zeros = labels.rows.count - sorted.lazy.filter { $0.value != 0 }.count
    count.addTie(of: zeros, positives: zip(labels.positives, inEntries).map { $0 - $1 })
    count.add(sorted[firstAbove...].drop { $0.value == 0 }, labels)
    return labels.positives.enumerated().map { label, positives in
      let pairs = positives * (labels.rows.count - positives)
      return pairs == 0 ? nil : Double(count.doubled[label]) / (2 * Double(pairs))
    }
  }

  /// The pairs of a positive and a lower negative, counted while rows come in the order of their scores.
  private struct PairCount {
    /// For each label twice the number of pairs, a tie being half of one.
    var doubled: [Int]
    /// The rows so far, and for each label the positive ones.
    private var below = 0
    private var positivesBelow: [Int]
    private var positivesInTie: [Int]

    init(labels: Int) {
      doubled = Array(repeating: 0, count: labels)
      (positivesBelow, positivesInTie) = (doubled, doubled)
    }

    /// Rows in the order of their scores.
    mutating func add(_ sorted: ArraySlice<SparseColumns.Entry>, _ labels: RowLabels) {
      var start = sorted.startIndex
      while start < sorted.endIndex {
        let value = sorted[start].value
        let end = sorted[start...].firstIndex { $0.value != value } ?? sorted.endIndex
        let rows = sorted[start..<end].lazy.map { labels.rows[Int($0.row)] }
        for row in rows { for label in row.bits { positivesInTie[label] += 1 } }
        for row in rows {
          for label in row.bits {
            doubled[label] +=
              2 * (below - positivesBelow[label]) + (end - start - positivesInTie[label])
          }
        }
        for row in rows {
          for label in row.bits where positivesInTie[label] > 0 {
            positivesBelow[label] += positivesInTie[label]
            positivesInTie[label] = 0
          }
        }
        below += end - start
        start = end
      }
    }

    /// Many rows of one score, of which only the numbers are known.
    mutating func addTie(of rows: Int, positives: [Int]) {
      for (label, positives) in positives.enumerated() {
        doubled[label] += positives * (2 * (below - positivesBelow[label]) + rows - positives)
        positivesBelow[label] += positives
      }
      below += rows
    }
  }
}
