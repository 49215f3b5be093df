import SDLensCore

/// How well the few best features of a dictionary tell a label together.
///
/// The k features are those whose mean differs most, in absolute value, between the training rows with and
/// without the label; a logistic regression on them is measured on other rows. Source: Gurnee et al., "Finding
/// Neurons in a Haystack", 2023.
public struct SparseProbe: Sendable, Equatable {
  /// The features, most telling first.
  public let features: [Int]
  /// The share of the rows told right.
  public let accuracy: Double
  /// The harmonic mean of precision and recall, of the rows told to have the label.
  public let f1: Double
  /// The area under the ROC curve of the regression's logit, and what each row adds.
  public let parts: AUROCParts
  /// The area.
  public var auroc: Double { parts.area }

  /// Chooses and learns on the rows of `training`, measures on those of `test`; nil when either has no row with
  /// the label, or none without.
  public init?(
    _ k: Int, label: Int, training: (columns: SparseColumns, labels: RowLabels),
    test: (columns: SparseColumns, labels: RowLabels)
  ) {
    for half in [training, test] {
      precondition(half.columns.rows == half.labels.rows.count, "labels of other rows")
      guard 1..<half.columns.rows ~= half.labels.positives[label] else { return nil }
    }
    let features = Array(Self.differences(training.columns, training.labels, label).prefix(k))
    func classes(_ labels: RowLabels) -> [Int] {
      labels.rows.indices.map { labels.has(label, row: $0) ? 1 : 0 }
    }
    let probe = LinearProbe(training.columns.dense(features), classes: classes(training.labels), count: 2)
    let (x, wanted) = (test.columns.dense(features), classes(test.labels))
    let logits = probe.logits(x)
    let margins = (0..<x.rows).map { Float(logits[$0, 1] - logits[$0, 0]) }
    guard let parts = AUROCParts(margins, positive: wanted.map { $0 == 1 }, rows: 1) else { return nil }
    (self.features, self.parts) = (features, parts)
    accuracy = probe.accuracy(x, classes: wanted) ?? 0
    let told = margins.map { $0 > 0 ? 1 : 0 }
    let right = zip(told, wanted).count { $0 == 1 && $1 == 1 }
    f1 = 2 * Double(right) / Double(told.reduce(0, +) + wanted.reduce(0, +))
  }

  /// All features, those whose class means differ most first, of equal ones the lower number first.
  private static func differences(_ columns: SparseColumns, _ labels: RowLabels, _ label: Int) -> [Int] {
    let positives = Double(labels.positives[label])
    let negatives = Double(labels.rows.count) - positives
    let differences = (0..<columns.count).map { feature in
      abs(
        columns[feature].reduce(0.0) { sum, entry in
          let isPositive = labels.has(label, row: Int(entry.row))
          return sum + Double(entry.value) / (isPositive ? positives : -negatives)
        })
    }
    return differences.indices.sorted { (-differences[$0], $0) < (-differences[$1], $1) }
  }
}
