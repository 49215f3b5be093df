import Foundation
import SDLensCore
import SDLensStudy

/// What `eval truth` found for a block.
struct TruthTable: Codable {
  /// How well one value is told by the candidates of one kind.
  struct Row: Codable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?
    let level: Level
    let factor: ShapesWorld.Factor
    let value: String
    /// The best candidate; nil of a probe.
    let feature: Int?
    let isNegative: Bool
    /// On the pictures on which it was chosen; nil where the value is in too few pictures.
    let chosenAUROC: Double?
    /// On the others.
    let auroc: Double?
    let positives: Int
    let rows: Int
  }
  /// What is told.
  enum Level: String, Codable, CaseIterable { case picture, place }
  /// How well the best features of a dictionary tell a value together, per picture.
  struct Probe: Codable {
    let dictionary: String
    let features: Int
    let factor: ShapesWorld.Factor
    let value: String
    let auroc: Double?
    let accuracy: Double?
  }

  let block: String
  let pictures: Int
  let rows: [Row]
  let sparseProbes: [Probe]

  init(_ block: String, _ study: FactorStudy) {
    (self.block, pictures) = (block, study.pictures)
    rows = study.methods.flatMap { method in
      Level.allCases.flatMap { level in
        let scores = level == .picture ? method.scores.pictures : method.scores.places
        return zip(ShapesTruth.labels, scores).map { label, best in
          Row(
            method: method.kind, dictionary: method.dictionary, level: level, factor: label.factor,
            value: label.value, feature: method.kind == .probe ? nil : best?.feature,
            isNegative: best?.isNegative ?? false, chosenAUROC: best?.chosen, auroc: best?.measured,
            positives: best?.positives ?? 0, rows: best?.rows ?? 0)
        }
      }
    }
    sparseProbes = study.methods.flatMap { method in
      method.sparseProbes.sorted { $0.key < $1.key }.flatMap { k, probes in
        zip(ShapesTruth.labels, probes).map { label, probe in
          Probe(
            dictionary: method.dictionary ?? "", features: k, factor: label.factor, value: label.value,
            auroc: probe?.auroc, accuracy: probe?.accuracy)
        }
      }
    }
  }

  // MARK: CSV

  static let columns = [
    "block", "method", "dictionary", "level", "factor", "value", "feature", "sign", "auroc_chosen", "auroc",
    "positives", "rows",
  ]

  var csv: [[String]] {
    func number(_ value: Double?) -> String { value.map { String(format: "%.6f", $0) } ?? "" }
    return rows.map { row in
      [
        block, row.method.rawValue, row.dictionary ?? "", row.level.rawValue, row.factor.rawValue, row.value,
        row.feature.map { "\($0)" } ?? "", row.feature == nil ? "" : row.isNegative ? "-" : "+",
        number(row.chosenAUROC), number(row.auroc), "\(row.positives)", "\(row.rows)",
      ]
    }
      + sparseProbes.map { probe in
        [
          block, "sparse probe of \(probe.features)", probe.dictionary, "picture", probe.factor.rawValue,
          probe.value, "", "", "", number(probe.auroc), "", "",
        ]
      }
  }

  // MARK: Text

  /// A column of the table.
  private struct Column: Hashable {
    let method: FactorStudy.Method.Kind
    let dictionary: String?

    var title: String {
      switch method {
      case .dictionary: dictionary ?? ""
      case .random: "random"
      case .components: "PCA"
      case .channels: "channels"
      case .probe: "probe"
      }
    }
  }

  private var methods: [Column] {
    var found: [Column] = []
    for row in rows {
      let column = Column(method: row.method, dictionary: row.dictionary)
      if !found.contains(column) { found.append(column) }
    }
    return found
  }

  private func mean(_ column: Column, _ level: Level, _ factor: ShapesWorld.Factor?) -> Double? {
    let areas = rows.filter {
      $0.method == column.method && $0.dictionary == column.dictionary && $0.level == level
        && (factor == nil || $0.factor == factor)
    }.compactMap(\.auroc)
    return MeanAndDeviation(areas)?.mean
  }

  private static func cell(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "–" }

  /// The table, with a line for each factor, or for each value.
  func text(values: Bool) -> String {
    var lines: [[String]] = []
    for level in Level.allCases {
      lines.append([level == .picture ? "Per picture" : "Per place"] + methods.map(\.title))
      for factor in ShapesWorld.Factor.allCases {
        lines.append(["  \(factor.rawValue)"] + methods.map { Self.cell(mean($0, level, factor)) })
        guard values else { continue }
        for value in factor.values { lines.append(line(of: value, factor, level)) }
      }
      lines.append(["  mean of all values"] + methods.map { Self.cell(mean($0, level, nil)) })
    }
    let dictionaries = Set(sparseProbes.map(\.dictionary)).sorted()
    for dictionary in dictionaries {
      let cells = FactorStudy.probeSizes.map { k in
        let areas = sparseProbes.filter { $0.dictionary == dictionary && $0.features == k }.compactMap(
          \.auroc)
        return "\(k): \(Self.cell(MeanAndDeviation(areas)?.mean))"
      }
      lines.append([])
      lines.append([
        "Probes of so many features of \(dictionary), per picture: \(cells.joined(separator: ", "))"
      ])
    }
    let missing = rows.count { $0.auroc == nil && $0.method == .channels }
    let note =
      missing == 0
      ? "" : "\n\(missing) values are left out: they are in too few pictures or places to be told."
    // The last lines are no cells: they would widen the first column.
    let cells = lines.prefix { !$0.isEmpty }
    let rest = lines.dropFirst(cells.count).filter { !$0.isEmpty }.map { $0[0] }
    return """
      \(block): AUROC of the best candidate for each value, \(Units.grouped(pictures)) pictures
      \(Table(left: [0], Array(cells)).text)
      \(rest.joined(separator: "\n"))\(note)
      """
  }

  private func line(of value: String, _ factor: ShapesWorld.Factor, _ level: Level) -> [String] {
    ["    \(value)"]
      + methods.map { column in
        let row = rows.first {
          $0.method == column.method && $0.dictionary == column.dictionary && $0.level == level
            && $0.factor == factor && $0.value == value
        }
        guard let row, let auroc = row.auroc else { return "–" }
        guard let feature = row.feature, column.method == .dictionary else { return Self.cell(auroc) }
        return "\(feature): \(Self.cell(auroc))"
      }
  }

  /// Bars: for each factor the mean of each method, per picture.
  var plot: Plot {
    let factors = ShapesWorld.Factor.allCases
    return Plot(
      title: "\(block): AUROC of the best candidate, per picture",
      x: Axis(categories: factors.map(\.rawValue)), y: Axis("AUROC", range: 0.4...1),
      series: methods.map { column in
        .bars(column.title, y: factors.map { mean(column, .picture, $0) ?? .nan })
      })
  }
}
