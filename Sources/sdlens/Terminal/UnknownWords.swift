import SDLensStudy

/// The words of a prompt that the embedded model never met.
struct UnknownWords {
  private let words: [String]

  /// Finds them; nil when all are known.
  init?(_ prompt: String) {
    words = ShapesGrammar.read(prompt).unknown
    if words.isEmpty { return nil }
  }

  /// As in `The prompt has words that the model does not know: "grey" (perhaps "gray"), "dragon"; …`.
  func note(_ name: String) -> String {
    let shown = words.prefix(Self.most).map { word in
      "\"\(word)\"" + (ShapesGrammar.suggestion(for: word).map { " (perhaps \"\($0)\")" } ?? "")
    }
    let rest = words.count > Self.most ? " and \(words.count - Self.most) more" : ""
    return "The \(name) has words that the model does not know: \(shown.joined(separator: ", "))\(rest); "
      + "'sdlens prompts' shows what it knows"
  }

  /// More would bury the rest of what is said.
  private static let most = 10
}
