/// Which column of a table, or key of an object, holds the prompts.
struct PromptColumn {
  /// What data sets call it, in any letter case; the first that is there counts.
  static let names = ["caption", "top_caption", "prompt", "text"]

  /// The one that somebody chose.
  let chosen: String?

  /// Those of some columns that may hold prompts, the best first.
  func candidates(among columns: [String]) -> [String] {
    (chosen.map { [$0] } ?? Self.names).compactMap { name in
      columns.first { $0 == name } ?? columns.first { $0.lowercased() == name.lowercased() }
    }
  }

  /// What is looked for, as in `'caption', 'prompt' or 'text'`.
  var wanted: String {
    let names = (chosen.map { [$0] } ?? Self.names).map { "'\($0)'" }
    return names.count == 1
      ? names[0] : names.dropLast().joined(separator: ", ") + " or \(names[names.count - 1])"
  }

  /// What is said where there was a choice.
  func note(_ path: String, _ candidates: [String]) -> String? {
    guard candidates.count > 1 else { return nil }
    let others = candidates.dropFirst().map { "'\($0)'" }.joined(separator: ", ")
    return
      "The prompts of '\(path)' are those under '\(candidates[0])'; it also has \(others): choose with --column"
  }
}
