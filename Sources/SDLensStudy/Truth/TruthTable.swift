import SDLensCore
import SDLensDrawing
import SDLensShapes

/// What `eval truth` found for a block.
public struct TruthTable: Codable {
  /// How well one value is told by the best candidate of one kind.
  struct Row: Codable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?
    /// How many the best was chosen from.
    let candidates: Int
    let level: Level
    let factor: ShapesWorld.Factor
    let value: String
    /// The best candidate; nil of a probe and of means.
    let feature: Int?
    let isNegative: Bool
    /// On the pictures on which it was chosen; nil where the value is in too few pictures.
    let chosenAUROC: Double?
    /// On the others.
    let auroc: Double?
    /// Of pictures drawn anew.
    let interval: [Double]?
    /// How many pictures it was measured on.
    let n: Int
    let positives: Int
    let rows: Int
  }
  /// What is told.
  enum Level: String, Codable, CaseIterable {
    case picture, place

    var scores: KeyPath<FactorScores, [FactorScores.Best?]> { self == .picture ? \.pictures : \.places }
    var matches: KeyPath<FactorMatches, MatchedFeatures> { self == .picture ? \.pictures : \.places }
  }
  /// The mean over the values of a factor.
  struct Mean: Codable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?
    let candidates: Int
    let level: Level
    /// Nil of all of them.
    let factor: ShapesWorld.Factor?
    /// The AUROC; n is the number of pictures, and the interval is of pictures drawn anew.
    let auroc: Estimate
  }
  /// How well the best features of a dictionary tell a value together, per picture.
  struct Probe: Codable {
    let dictionary: String
    let features: Int
    let factor: ShapesWorld.Factor
    let value: String
    let auroc: Double?
    let interval: [Double]?
    let n: Int
    let accuracy: Double?
  }

  let block: String
  let pictures: Int
  let rows: [Row]
  let means: [Mean]
  let sparseProbes: [Probe]
  let matches: TruthMatches
  let sources: Provenance

  init(_ block: String, _ study: FactorStudy, sources: Provenance) {
    (self.block, pictures, self.sources) = (block, study.pictures, sources)
    matches = TruthMatches(
      study, carried: ShapesWorld.Factor.allCases.filter { "\($0.carrier)" == block })
    rows = study.methods.flatMap { method in
      Level.allCases.flatMap { level in
        zip(ShapesTruth.labels, method.scores[keyPath: level.scores]).map { label, best in
          let estimate = best?.parts.estimate
          return Row(
            method: method.kind, dictionary: method.dictionary, candidates: method.candidates, level: level,
            factor: label.factor, value: label.value,
            feature: method.kind == .probe || method.kind == .means ? nil : best?.feature,
            isNegative: best?.isNegative ?? false, chosenAUROC: best?.chosen, auroc: best?.measured,
            interval: estimate?.interval, n: estimate?.n ?? 0, positives: best?.positives ?? 0,
            rows: best?.rows ?? 0)
        }
      }
    }
    means = study.methods.flatMap { method in
      Level.allCases.flatMap { level in
        (ShapesWorld.Factor.allCases + [nil]).compactMap { factor in
          method.scores.mean(of: factor, in: level.scores).map {
            Mean(
              method: method.kind, dictionary: method.dictionary, candidates: method.candidates, level: level,
              factor: factor, auroc: $0)
          }
        }
      }
    }
    sparseProbes = study.methods.flatMap { method in
      method.sparseProbes.sorted { $0.key < $1.key }.flatMap { k, probes in
        zip(ShapesTruth.labels, probes).map { label, probe in
          Probe(
            dictionary: method.dictionary ?? "", features: k, factor: label.factor, value: label.value,
            auroc: probe?.auroc, interval: probe?.parts.estimate.interval, n: probe?.parts.parts.count ?? 0,
            accuracy: probe?.accuracy)
        }
      }
    }
  }

  // MARK: CSV

  static let columns = [
    "block", "method", "dictionary", "candidates", "level", "factor", "value", "feature", "sign",
    "auroc_chosen",
    "auroc", "low", "high", "n", "positives", "rows",
  ]

  var csv: [[String]] {
    rows.map { row in
      [
        block, row.method.rawValue, row.dictionary ?? "", "\(row.candidates)", row.level.rawValue,
        row.factor.rawValue, row.value, Cells.whole(row.feature),
        row.feature == nil ? "" : row.isNegative ? "-" : "+", Cells.exact(row.chosenAUROC),
        Cells.exact(row.auroc),
        Cells.exact(row.interval?.first), Cells.exact(row.interval?.last), "\(row.n)", "\(row.positives)",
        "\(row.rows)",
      ]
    }
      + sparseProbes.map { probe in
        [
          block, "sparse probe of \(probe.features)", probe.dictionary, "", "picture", probe.factor.rawValue,
          probe.value, "", "", "", Cells.exact(probe.auroc), Cells.exact(probe.interval?.first),
          Cells.exact(probe.interval?.last), "\(probe.n)", "", "",
        ]
      }
  }

  // MARK: Text

  /// A column of the table.
  private struct Column: Hashable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?
    let candidates: Int

    var title: String {
      switch method {
      case .dictionary: dictionary ?? ""
      case .random: "\(candidates) random"
      case .components: "PCA"
      case .channels: "channels"
      case .probe: "probe"
      case .means: "means"
      }
    }

    /// Whether its intervals are printed: of a dictionary, and of what chance does with as many directions.
    var hasInterval: Bool { method == .dictionary || method == .random }
  }

  private var methods: [Column] {
    var found: [Column] = []
    for row in rows {
      let column = Column(method: row.method, dictionary: row.dictionary, candidates: row.candidates)
      if !found.contains(column) { found.append(column) }
    }
    return found
  }

  private func mean(_ column: Column, _ level: Level, _ factor: ShapesWorld.Factor?) -> Estimate? {
    means.first {
      Column(method: $0.method, dictionary: $0.dictionary, candidates: $0.candidates) == column
        && $0.level == level && $0.factor == factor
    }?.auroc
  }

  /// The cells of a line: a figure for each method, with its interval where that is printed.
  private func cells(_ figure: (Column) -> (text: String, interval: [Double]?)) -> [String] {
    methods.flatMap { column in
      let found = figure(column)
      return [found.text] + (column.hasInterval ? [Cells.ends(found.interval)] : [])
    }
  }

  /// The table, with a line for each factor, or for each value.
  public func text(values: Bool) -> String {
    func line(_ title: String, _ level: Level, _ factor: ShapesWorld.Factor?) -> [String] {
      [title]
        + cells { column in
          let found = mean(column, level, factor)
          return (Cells.number(found?.value), found?.interval)
        }
    }
    var lines: [[String]] = []
    for level in Level.allCases {
      let n = Set(means.filter { $0.level == level }.map(\.auroc.n)).sorted()
      let title = level == .picture ? "Per picture" : "Per place"
      lines.append(
        ["\(title), n \(n.map { "\($0)" }.joined(separator: ", "))"]
          + methods.flatMap { [$0.title] + ($0.hasInterval ? ["95 %"] : []) })
      for factor in ShapesWorld.Factor.allCases {
        lines.append(line("  \(factor.rawValue)", level, factor))
        guard values else { continue }
        for value in factor.values { lines.append(self.line(of: value, factor, level)) }
      }
      lines.append(line("  mean of all values", level, nil))
    }
    let dictionaries = Set(sparseProbes.map(\.dictionary)).sorted()
    let probes = dictionaries.map { dictionary in
      let cells = FactorStudy.probeSizes.map { k in
        let areas = sparseProbes.filter { $0.dictionary == dictionary && $0.features == k }.compactMap(
          \.auroc)
        return "\(k): \(Cells.number(MeanAndDeviation(areas)?.mean))"
      }
      return "Probes of so many features of \(dictionary), per picture: \(cells.joined(separator: ", "))"
    }
    let missing = rows.count { $0.auroc == nil && $0.method == .channels }
    let note =
      missing == 0
      ? [] : ["\(missing) values are left out: they are in too few pictures or places to be told."]
    let head =
      "\(block): AUROC of the best candidate for each value, chosen on one half of \(Units.grouped(pictures)) pictures, "
      + "measured on the other"
    let matched = matches.text { Column(method: $0, dictionary: $1, candidates: $2).title }
    return ([head, Table(left: [0], lines).text] + probes + note + [matched, sources.text])
      .joined(separator: "\n")
  }

  private func line(of value: String, _ factor: ShapesWorld.Factor, _ level: Level) -> [String] {
    ["    \(value)"]
      + cells { column in
        let row = rows.first {
          Column(method: $0.method, dictionary: $0.dictionary, candidates: $0.candidates) == column
            && $0.level == level && $0.factor == factor && $0.value == value
        }
        guard let row, let auroc = row.auroc else { return (Cells.none, nil) }
        guard let feature = row.feature, column.method == .dictionary else {
          return (Cells.number(auroc), row.interval)
        }
        return ("\(feature): \(Cells.number(auroc))", row.interval)
      }
  }

  /// Bars: for each factor the mean of each method, per picture.
  var plot: Plot {
    let factors = ShapesWorld.Factor.allCases
    return Plot(
      title: "\(block): AUROC of the best candidate, per picture",
      x: Axis(categories: factors.map(\.rawValue)), y: Axis("AUROC", range: 0.4...1),
      series: methods.map { column in
        let found = factors.map { mean(column, .picture, $0) }
        return .bars(
          column.title, y: found.map { $0?.value ?? .nan },
          errors: found.map { $0?.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
      })
  }
}
