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
  @Test(arguments: [
    ("tokenizer.json", "tiny"), ("clip-tokenizer.json", "../../../Sources/SDLensDiffusion/Models/sdxl"),
  ])
  func awkwardStringsAreCutAsInTransformers(_ file: String, _ folder: String) throws {
    let goldens = Goldens()
    let strings = try goldens.json(file, as: Strings.self).strings
    #expect(strings.count >= 200)
    let tokenizers = try ["tokenizer", "tokenizer_2"].map {
      try Tokenizer(folder: goldens(folder) + "/" + $0)
    }
    for string in strings {
      let tokens = tokenizers.map { $0(string.text) }
      #expect(tokens[0].ids == string.ids, "\(string.text.debugDescription)")
      #expect(tokens[1].ids == string.ids_2, "\(string.text.debugDescription)")
      #expect(tokens[0].removed == string.removed, "\(string.text.debugDescription)")
      #expect(tokens[1].removed == string.removed_2, "\(string.text.debugDescription)")
    }
  }

  // CLIPTokenizer.from_pretrained, with the added tokens declared in every way that models do
  @Test func specialTokensInATextFollowTheirDeclaration() throws {
    let goldens = Goldens()
    let data = try Data(contentsOf: URL(fileURLWithPath: goldens("tokenizer-forms.json")))
    let forms = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    #expect(forms.count == 8)
    for form in forms {
      let folder = try tinyTokenizer()
      for key in ["tokenizer_config", "special_tokens_map"] {
        try folder.write(JSONSerialization.data(withJSONObject: form[key] as Any), to: key + ".json")
      }
      let tokenizer = try Tokenizer(folder: folder.path)
      for string in try #require(form["strings"] as? [[String: Any]]) {
        let (text, ids) = (try #require(string["text"] as? String), try #require(string["ids"] as? [Int]))
        #expect(Array(tokenizer(text).ids.prefix(ids.count)) == ids, "\(form["form"] ?? ""): \(text)")
      }
    }
  }

  @Test func wordsThatNeverEndAreCutInTime() throws {
    let tokenizer = try Tokenizer(folder: Goldens()("tiny/tokenizer"))
    let text = String((0..<200_000).map { Character(Unicode.Scalar(UInt8(97 + $0 * $0 % 19))) })
    #expect(tokenizer(text).ids.count == 77)
  }

  @Test(arguments: [
    (#"[1]"#, "'FOLDER/vocab.json' does not hold a JSON object of tokens and their numbers"),
    (
      #"{"a": 1.5}"#,
      "'FOLDER/vocab.json': the number of 'a' is 1.5, but it must be an integer from 0 to 1048575"
    ),
    (
      #"{"a": -1}"#,
      "'FOLDER/vocab.json': the number of 'a' is -1, but it must be an integer from 0 to 1048575"
    ),
    (
      #"{"a": 7, "b": 7}"#,
      "'FOLDER/vocab.json' gives the number 7 to 'a' and to 'b'; every token needs its own"
    ),
    (
      #"{"a": 7}"#,
      "'FOLDER/vocab.json' has no 'Ā', the token of the byte 0; all 256 bytes need one, alone and with '</w>'"
    ),
    ("{", "'FOLDER/vocab.json' is not valid JSON: line 1, column 2: the text ends too early"),
  ])
  func aBadVocabularyIsRefused(_ vocabulary: String, _ message: String) throws {
    try expectRefusal("vocab.json", vocabulary, message)
  }

  @Test(arguments: [
    ("#version: 0.2\na", "'FOLDER/merges.txt', line 2: 'a' is not two tokens with a space between"),
    ("a b c", "'FOLDER/merges.txt', line 1: 'a b c' is not two tokens with a space between"),
    (
      "#version: 0.2\no f</w>\n\nzzz q",
      "'FOLDER/merges.txt', line 4: 'zzz q' needs the token 'zzz', which 'FOLDER/vocab.json' does not have; "
        + "the two files must come from the same model"
    ),
    (
      "z q",
      "'FOLDER/merges.txt', line 1: 'z q' needs the token 'zq', which 'FOLDER/vocab.json' does not have; "
        + "the two files must come from the same model"
    ),
  ])
  func mergesThatDoNotFitTheVocabularyAreRefused(_ merges: String, _ message: String) throws {
    try expectRefusal("merges.txt", merges, message)
  }

  @Test(arguments: [
    (
      #"{"pad_token": "<pad>"}"#,
      "'FOLDER/tokenizer_config.json' names the special token '<pad>', which 'FOLDER/vocab.json' does not have"
    ),
    (
      #"{"bos_token": 3}"#,
      "'FOLDER/tokenizer_config.json': 'bos_token' is 3, but it must be a text or an object with 'content'"
    ),
    (
      #"{"added_tokens_decoder": {"5": {"content": "%", "single_word": true}}}"#,
      "'FOLDER/tokenizer_config.json' gives the added token '%' the number 5, but with 'FOLDER/vocab.json' "
        + "transformers gives it 4; save the tokenizer again with transformers"
    ),
    (
      #"{"added_tokens_decoder": [1]}"#,
      "'FOLDER/tokenizer_config.json': 'added_tokens_decoder' is [1], but it must be an object of tokens"
    ),
    (
      #"{"model_max_length": 2}"#,
      "'FOLDER/tokenizer_config.json': 'model_max_length' is 2, but it must be an integer from 3 to 65536"
    ),
  ])
  func badSpecialTokensAreRefused(_ config: String, _ message: String) throws {
    try expectRefusal("tokenizer_config.json", config, message)
  }

  /// Expects the message when a file of a good tokenizer is replaced; FOLDER stands for where it lies.
  private func expectRefusal(
    _ file: String, _ text: String, _ message: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try tinyTokenizer()
    try FileManager.default.removeItem(atPath: folder("special_tokens_map.json"))
    try folder.write(text.utf8, to: file)
    #expect(
      errorMessage { try Tokenizer(folder: folder.path) }.replacing(folder.path, with: "FOLDER") == message,
      sourceLocation: sourceLocation)
  }

  /// A copy of the tokenizer of the tiny model.
  private func tinyTokenizer() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let source = Goldens()("tiny/tokenizer")
    for file in try FileManager.default.contentsOfDirectory(atPath: source) {
      try FileManager.default.copyItem(atPath: source + "/" + file, toPath: folder(file))
    }
    return folder
  }
}
