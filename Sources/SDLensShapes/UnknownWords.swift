/// The words of prompts that the embedded model never met.
package struct UnknownWords {
  private let words: [String]
  private let start: String

  /// Finds them in one text, called `name`; nil when all are known.
  package init?(_ text: String, name: String = "prompt") {
    self.init(words: ShapesGrammar.read(text).unknown, start: "The \(name) has")
  }

  /// Finds them in a list of prompts; nil when all are known.
  package init?(in prompts: [String]) {
    let found = prompts.map { ShapesGrammar.read($0).unknown }
    var seen: Set<String> = []
    let count = found.count { !$0.isEmpty }
    self.init(
      words: found.joined().filter { seen.insert($0).inserted },
      start: prompts.count == 1
        ? "The prompt has" : "\(count) of the \(prompts.count) prompts \(count == 1 ? "has" : "have")")
  }

  private init?(words: [String], start: String) {
    (self.words, self.start) = (words, start)
    if words.isEmpty { return nil }
  }

  /// As in `The prompt has words that the model does not know: "grey" (perhaps "gray"), "dragon"; …`.
  package var note: String {
    let shown = words.prefix(Self.most).map { word in
      "\"\(word)\"" + (ShapesGrammar.suggestion(for: word).map { " (perhaps \"\($0)\")" } ?? "")
    }
    let rest = words.count > Self.most ? " and \(words.count - Self.most) more" : ""
    return "\(start) words that the model does not know: \(shown.joined(separator: ", "))\(rest); "
      + "'sdlens prompts' shows what it knows"
  }

  /// More would bury the rest of what is said.
  private static let most = 10
}
