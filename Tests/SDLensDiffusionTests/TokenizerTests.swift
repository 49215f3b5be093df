import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

@Suite struct TokenizerTests {
  /// What the tokenizer (`ids`) and the second one (`ids_2`) of a model make of a text in transformers.
  private struct Golden: Decodable {
    let text: String
    let ids, ids_2: [Int]
    let removed, removed_2: String?
  }
  private struct Strings: Decodable { let strings: [Golden] }

  // transformers: tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids, and in
  // diffusers' warning tokenizer.decode(tokenizer(text).input_ids[76:-1])
  @Test(arguments: [("tokenizer.json", "tiny"), ("clip-tokenizer.json", "../../../.build/clip-vocabulary")])
  func awkwardStringsAreCutAsInTransformers(_ file: String, _ folder: String) throws {
    let goldens = Goldens()
    // CLIP's own vocabulary is not kept here; clip-tokenizer.json says how to get it.
    guard folder == "tiny" || FileManager.default.fileExists(atPath: goldens(folder)) else { return }
    let strings = try goldens.json(file, as: Strings.self).strings
    #expect(strings.count >= 200)
    let tokenizers = try ["tokenizer", "tokenizer_2"].map { try Tokenizer(folder: goldens(folder) + "/" + $0) }
    for string in strings {
      let tokens = tokenizers.map { $0(string.text) }
      #expect(tokens[0].ids == string.ids, "\(string.text.debugDescription)")
      #expect(tokens[1].ids == string.ids_2, "\(string.text.debugDescription)")
      #expect(tokens[0].removed == string.removed, "\(string.text.debugDescription)")
      #expect(tokens[1].removed == string.removed_2, "\(string.text.debugDescription)")
    }
  }
}
