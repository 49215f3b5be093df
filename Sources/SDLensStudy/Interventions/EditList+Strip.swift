import Foundation
import SDLensDiffusion

extension EditList {
  /// What a strength is of.
  public enum Strength: Sendable {
    /// The factor of a modulation.
    case beta
    /// How strongly a feature is added in an area.
    case add(Mask)
    /// How strongly a feature stands alone on the empty prompt.
    case gamma

    var symbol: String {
      switch self {
      case .beta: "β"
      case .add: "v"
      case .gamma: "γ"
      }
    }

    func operation(_ feature: Int, _ value: Double) -> Edit.Operation {
      switch self {
      case .beta: .modulate(feature: feature, beta: value)
      case .add(let mask): .add(feature: feature, strength: value, mask: mask)
      case .gamma: .emptyContext(feature: feature, gamma: value)
      }
    }
  }

  /// One list of edits for each picture of a strip of strengths, with what tells it from the others.
  ///
  /// - Parameters:
  ///   - fixed: edits of all pictures, done before the others.
  ///   - strengths: of each feature one for each picture, or one for all.
  /// - Throws: `EditError`.
  public static func strip(
    _ fixed: [Edit], features: [Int], _ kind: Strength, _ strengths: [[Double]], at block: BlockName,
    steps: Set<Int>?
  ) throws -> [(title: String, list: EditList)] {
    let others = fixed.map { edit in
      ["\(edit.operation.name.rawValue) \(edit.block)"] + (edit.features ?? []).prefix(8).map { "#\($0)" }
    }.map { $0.joined(separator: " ") }.joined(separator: ", ")
    return try (0..<(strengths.map(\.count).max() ?? 1)).map { index in
      let values = strengths.map { $0[$0.count == 1 ? 0 : index] }
      let edits = zip(features, values).map { Edit(kind.operation($0, $1), at: block, steps: steps) }
      let titles = values.map { "\(kind.symbol) = \(number($0))" }
      let title = Set(titles).count == 1 ? titles[0] : titles.joined(separator: ", ")
      return (strengths.isEmpty ? others : title, try EditList(fixed + edits))
    }
  }

  /// The same of a map that is added several times.
  ///
  /// - Throws: `EditError`.
  public static func strip(
    _ fixed: [Edit], adding map: UpdateMap, _ times: [Double], at block: BlockName, on area: Mask,
    steps: Set<Int>?
  ) throws -> [(title: String, list: EditList)] {
    try times.map { times in
      let edit = Edit(.addMap(map, strength: times, mask: area), at: block, steps: steps)
      return ("map × \(number(times))", try EditList(fixed + [edit]))
    }
  }

  /// The blocks whose features are edited, and these, as in `up.0.1 features 73, 63`; empty without any.
  package static func features(of lists: [EditList]) -> String {
    let edits = lists.flatMap(\.edits).compactMap { edit in edit.feature.map { (edit.block, $0) } }
    return Set(edits.map(\.0)).sorted().map { block in
      var features: [Int] = []
      for (other, feature) in edits where other == block && !features.contains(feature) {
        features.append(feature)
      }
      let shown = features.prefix(8).map(String.init) + (features.count > 8 ? ["…"] : [])
      return "\(block) feature\(features.count == 1 ? "" : "s") \(shown.joined(separator: ", "))"
    }.joined(separator: " · ")
  }

  /// A number without a needless point.
  package static func number(_ value: Double) -> String {
    let text = value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
    return text.replacingOccurrences(of: "-", with: "−")
  }
}
