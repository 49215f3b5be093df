import ArgumentParser

/// The metrics that are measured feature by feature or block by block.
enum EvalMetric: String, Codable, CaseIterable {
  case specificity, texture, color, locality, interpretability, causality, sensitivity, reconstruction,
    position
  case monosemanticity, density, artefacts, steps

  /// What pictures and features are compared by.
  enum Need { case clip, captions, examples, store }

  var needs: Set<Need> {
    switch self {
    case .specificity, .monosemanticity: [.clip, .examples]
    case .texture: [.clip]
    case .color, .locality: [.examples]
    case .interpretability: [.clip, .captions, .examples]
    case .causality: [.clip, .captions]
    case .sensitivity: [.clip, .captions, .store]
    case .artefacts: [.store]
    case .reconstruction, .position, .density, .steps: []
    }
  }

  /// The columns of its table.
  var columns: [String] {
    switch self {
    case .locality:
      [
        "-10 inside", "-10 outside", "-5 inside", "-5 outside", "5 inside", "5 outside", "10 inside",
        "10 outside",
      ]
    case .sensitivity: ["over 0 %", "over 10 %", "over 30 %"]
    case .reconstruction: ["mean", "median", "LPIPS", "LPIPS recovered", "explained variance"]
    case .position: ["row", "column", "both"]
    case .density: ["dead share", "dense share", "density"]
    case .artefacts:
      [
        "-10 beyond", "-5 beyond", "5 beyond", "10 beyond", "-10 excess", "-5 excess", "5 excess",
        "10 excess",
      ]
    default: [rawValue]
    }
  }

  /// Digits behind the point.
  var decimals: Int {
    switch self {
    case .color, .locality: 1
    case .reconstruction, .position, .density: 3
    default: 2
    }
  }

  /// The paper's values for a block or a baseline; one baseline for all blocks where we have one for each.
  func paper(for subject: String) -> [String: String]? {
    paper[subject] ?? (subject.hasPrefix("random at ") ? paper["random"] : nil)
  }

  /// The values of the paper for SDXL-Turbo, as they stand there: subject, then column.
  var paper: [String: [String: String]] {
    func row(_ values: [String]) -> [String: String] {
      Dictionary(uniqueKeysWithValues: zip(columns, values))
    }
    func rows(_ table: [(String, [String])]) -> [String: [String: String]] {
      Dictionary(uniqueKeysWithValues: table.map { ($0.0, row($0.1)) })
    }
    return switch self {
    case .specificity:
      rows([
        ("down.2.1", [".71 (.11)"]), ("mid.0", [".62 (.11)"]), ("up.0.0", [".66 (.12)"]),
        ("up.0.1", [".65 (.11)"]),
        ("random", [".50 (.10)"]), ("same prompt", [".89 (.06)"]),
      ])
    case .texture:
      rows([
        ("down.2.1", [".16 (.02)"]), ("mid.0", [".14 (.01)"]), ("up.0.0", [".18 (.03)"]),
        ("up.0.1", [".20 (.02)"]),
        ("random", [".13 (.02)"]), ("textures", [".18 (.02)"]),
      ])
    case .color:
      rows([
        ("down.2.1", ["86.2 (14.9)"]), ("mid.0", ["84.7 (16.3)"]), ("up.0.0", ["86.3 (16.5)"]),
        ("up.0.1", ["73.8 (20.6)"]), ("random", ["90.7 (54.9)"]),
      ])
    case .locality:
      rows([
        ("down.2.1", ["148.2", "116.0", "124.2", "94.4", "101.4", "78.7", "128.9", "105.6"]),
        ("mid.0", ["69.2", "32.2", "39.4", "18.5", "33.2", "15.2", "59.9", "29.8"]),
        ("up.0.0", ["105.3", "38.4", "77.7", "23.7", "63.6", "23.3", "88.6", "37.1"]),
        ("up.0.1", ["125.0", "26.8", "73.1", "16.4", "68.6", "21.9", "98.9", "34.7"]),
      ])
    case .interpretability:
      rows([("down.2.1", [".21 (.03)"]), ("random", [".12 (.02)"]), ("from the caption", [".25 (.03)"])])
    case .causality: rows([("down.2.1", [".19 (.04)"])])
    case .sensitivity:
      rows([
        ("down.2.1", [".60 (.32)", ".40 (.34)", ".27 (.30)"]),
        ("random", [".06 (.09)", ".003 (.006)", ".001 (.003)"]),
      ])
    case .reconstruction:
      rows([
        ("down.2.1", ["64.97", "34.77", "0.2582", "", "0.737"]),
        ("mid.0", ["44.02", "21.72", "0.1627", "", "0.588"]),
        ("up.0.0", ["42.08", "21.54", "0.1624", "", "0.642"]),
        ("up.0.1", ["39.77", "24.84", "0.1453", "", "0.671"]),
      ])
    case .position:
      rows([
        ("down.2.1", ["", "", "0.979"]), ("mid.0", ["", "", "0.985"]), ("up.0.0", ["", "", "0.994"]),
        ("up.0.1", ["", "", "0.956"]),
      ])
    case .monosemanticity, .density, .artefacts, .steps: [:]
    }
  }
}
