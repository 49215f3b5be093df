import Foundation
import SDLensCore

/// The goldens of `saved_tokenizers.py`: folders of tokenizers in every layout, and what they make of texts.
public struct SavedTokenizers {
  /// A tokenizer in a folder of its own.
  public struct Case {
    /// What is special about it.
    public let name: String
    /// Where its files lie.
    public let folder: TemporaryFolder
    /// Texts and their token numbers.
    public let strings: [(text: String, ids: [Int])]
  }

  private let golden: [String: Any]
  private let source: String
  private let vocabulary: [String]

  /// Reads a golden; `source` is the folder that the files of the vocabulary are copied from.
  public init(_ path: String, source: String, vocabulary: [String]) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    golden = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    (self.source, self.vocabulary) = (source, vocabulary)
  }

  /// Makes the folder of every case.
  public func cases() throws -> [Case] {
    try (golden["cases"] as? [[String: Any]] ?? []).map { entry in
      let folder = try TemporaryFolder()
      for (name, content) in entry["files"] as? [String: Any] ?? [:] {
        try folder.write(JSONSerialization.data(withJSONObject: content), to: name)
      }
      if let tokens = entry["added_tokens"] {
        let text = entry["merges_as_text"] as? Bool == true
        try folder.write(
          JSONSerialization.data(withJSONObject: whole(tokens, mergesAsText: text)), to: "tokenizer.json")
      } else {
        for name in vocabulary {
          try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: folder(name))
        }
      }
      let strings = (entry["strings"] as? [[String: Any]] ?? []).map {
        ($0["text"] as? String ?? "", $0["ids"] as? [Int] ?? [])
      }
      return Case(name: entry["name"] as? String ?? "", folder: folder, strings: strings)
    }
  }

  /// `tokenizer.json` with other tokens; merges are pairs, or texts with a space between as they were before.
  public func whole(_ tokens: Any, mergesAsText: Bool = false) -> [String: Any] {
    var whole = golden["whole"] as? [String: Any] ?? [:]
    whole["added_tokens"] = tokens
    if mergesAsText, var model = whole["model"] as? [String: Any], let merges = model["merges"] as? [[String]]
    {
      model["merges"] = merges.map { $0.joined(separator: " ") }
      whole["model"] = model
    }
    return whole
  }
}
