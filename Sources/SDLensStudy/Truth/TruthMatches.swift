import SDLensShapes

/// The one-to-one match of candidates with values, as `eval truth` shows it.
struct TruthMatches: Codable {
  /// A value and its candidate.
  struct Row: Codable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?
    let level: TruthTable.Level
    let factor: ShapesWorld.Factor
    let value: String
    /// Nil of a probe and of means, which have a direction for each value.
    let feature: Int?
    let isNegative: Bool
    /// On the pictures on which it was matched, and on the others.
    let chosenCorrelation: Double
    let correlation: Double
    let threshold: Float
    let precision, recall, f1: Double
    let absorption: Double?
    /// Of dictionaries, per picture.
    let splitting: Int?
    let n: Int
  }

  /// The means over the values of some factors.
  struct Mean: Codable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?
    let candidates: Int
    let level: TruthTable.Level
    /// A factor, "carried" or "all".
    let factors: String
    let summary: MatchSummary
    let splitting: Double?
    let shrinkage: Estimate?
  }

  let rows: [Row]
  let means: [Mean]

  /// Of a study of a block that carries some factors.
  init(_ study: FactorStudy, carried: [ShapesWorld.Factor]) {
    let labels = ShapesTruth.labels
    rows = study.methods.flatMap { method in
      TruthTable.Level.allCases.flatMap { level in
        zip(labels.indices, method.matches[keyPath: level.matches].matches).compactMap { label, match in
          guard let match else { return nil }
          let (figures, isOwn) = (match.figures, method.kind == .probe || method.kind == .means)
          return Row(
            method: method.kind, dictionary: method.dictionary, level: level, factor: labels[label].factor,
            value: labels[label].value,
            // Of a picture's columns those behind the channels are their opposites.
            feature: isOwn ? nil : match.column % method.candidates,
            isNegative: match.isNegative || match.column >= method.candidates,
            chosenCorrelation: match.chosen, correlation: figures.correlation, threshold: match.threshold,
            precision: figures.precision, recall: figures.recall, f1: figures.f1,
            absorption: method.matches.hasDirections ? figures.absorption : nil,
            splitting: level == .picture ? method.splitting(of: label) : nil, n: match.pictures)
        }
      }
    }
    let sets: [(String, [ShapesWorld.Factor])] =
      ShapesWorld.Factor.allCases.map { ($0.rawValue, [$0]) }
      + (carried.isEmpty ? [] : [("carried", carried)]) + [("all", ShapesWorld.Factor.allCases)]
    means = study.methods.flatMap { method in
      TruthTable.Level.allCases.flatMap { level in
        sets.compactMap { name, factors in
          guard let summary = method.matches.summary(of: factors, in: level.matches) else { return nil }
          let split = labels.indices.filter { factors.contains(labels[$0].factor) }
            .compactMap { method.splitting(of: $0) }
          return Mean(
            method: method.kind, dictionary: method.dictionary, candidates: method.candidates, level: level,
            factors: name, summary: summary,
            splitting: split.isEmpty || level == .place ? nil : Bootstrap.mean(split.map(Double.init)),
            shrinkage: method.shrinkage)
        }
      }
    }
  }

  // MARK: CSV

  static let columns = [
    "block", "method", "dictionary", "level", "factor", "value", "feature", "sign", "correlation_chosen",
    "correlation", "threshold", "precision", "recall", "f1", "absorption", "splitting", "n",
  ]

  func csv(_ block: String) -> [[String]] {
    rows.map { row in
      [
        block, row.method.rawValue, row.dictionary ?? "", row.level.rawValue, row.factor.rawValue, row.value,
        Cells.whole(row.feature), row.feature == nil ? "" : row.isNegative ? "-" : "+",
        Cells.exact(row.chosenCorrelation), Cells.exact(row.correlation), "\(row.threshold)",
        Cells.exact(row.precision),
        Cells.exact(row.recall), Cells.exact(row.f1), Cells.exact(row.absorption), Cells.whole(row.splitting),
        "\(row.n)",
      ]
    }
  }

  static let meanColumns = [
    "block", "method", "dictionary", "candidates", "level", "factors", "mcc", "mcc_low", "mcc_high",
    "uniqueness", "precision", "recall", "f1", "f1_low", "f1_high", "absorption", "splitting", "shrinkage",
    "n",
  ]

  func meansCSV(_ block: String) -> [[String]] {
    means.map { mean in
      let summary = mean.summary
      return [
        block, mean.method.rawValue, mean.dictionary ?? "", "\(mean.candidates)", mean.level.rawValue,
        mean.factors, Cells.exact(summary.mcc.value), Cells.exact(summary.mcc.interval?[0]),
        Cells.exact(summary.mcc.interval?[1]), Cells.exact(summary.uniqueness),
        Cells.exact(summary.precision.value),
        Cells.exact(summary.recall.value), Cells.exact(summary.f1.value),
        Cells.exact(summary.f1.interval?[0]),
        Cells.exact(summary.f1.interval?[1]), Cells.exact(summary.absorption?.value),
        Cells.exact(mean.splitting),
        Cells.exact(mean.shrinkage?.value), "\(summary.f1.n)",
      ]
    }
  }

  // MARK: Text

  /// A line for each method, over the values that the block carries, or all.
  func text(_ title: (FactorStudy.Method.Kind, String?, Int) -> String) -> String {
    let set = means.contains { $0.factors == "carried" } ? "carried" : "all"
    var lines: [[String]] = []
    for level in TruthTable.Level.allCases {
      let own = means.filter { $0.level == level && $0.factors == set }
      lines.append(
        [
          "Per \(level.rawValue)", "n", "MCC", "95 %", "unique", "precision", "recall", "F1", "95 %",
          "absorbed",
          "split", "shrinkage",
        ])
      for mean in own {
        let summary = mean.summary
        lines.append([
          "  " + title(mean.method, mean.dictionary, mean.candidates), "\(summary.f1.n)",
          Cells.number(summary.mcc.value),
          Cells.ends(summary.mcc.interval), Cells.number(summary.uniqueness, 2),
          Cells.number(summary.precision.value),
          Cells.number(summary.recall.value), Cells.number(summary.f1.value), Cells.ends(summary.f1.interval),
          Cells.number(summary.absorption?.value), Cells.number(mean.splitting, 1),
          Cells.number(mean.shrinkage?.value),
        ])
      }
    }
    let what = set == "carried" ? "the values of the factors that the block carries" : "all values"
    return
      "One-to-one match with \(what), threshold chosen on one half of the pictures, measured on the other\n"
      + Table(left: [0], lines).text
  }
}
