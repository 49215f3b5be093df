import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@testable import SDLensDiffusion

@Suite struct TokenizerTests {
  /// What transformers makes of a text with the tokenizer (`ids`) and the second one (`ids_2`) of a model.
  private struct Golden: Decodable {
    let text: String
    let ids, ids_2: [Int]
    let removed, removed_2: String?
  }

  // transformers: tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids, and
  // diffusers' warning: tokenizer.decode(tokenizer(text).input_ids[76:-1])
  @Test(arguments: [("tokenizer.json", "tiny"), ("clip-tokenizer.json", "../../../.build/clip-vocabulary")])
  func awkwardStringsAreCutAsInTransformers(_ file: String, _ folder: String) throws {
    // CLIP's own vocabulary is not kept here; clip-tokenizer.json says how to get it.
    guard folder == "tiny" || FileManager.default.fileExists(atPath: golden(folder)) else { return }
    let strings = try JSONDecoder().decode([String: [Golden]].self, from: strings(in: file))["strings"] ?? []
    #expect(strings.count >= 200)
    let tokenizers = try ["tokenizer", "tokenizer_2"].map { try Tokenizer(folder: golden(folder) + "/" + $0) }
    for string in strings {
      let tokens = tokenizers.map { $0(string.text) }
      #expect(tokens[0].ids == string.ids, "\(string.text.debugDescription)")
      #expect(tokens[1].ids == string.ids_2, "\(string.text.debugDescription)")
      #expect(tokens[0].removed == string.removed, "\(string.text.debugDescription)")
      #expect(tokens[1].removed == string.removed_2, "\(string.text.debugDescription)")
    }
  }
}
