import Foundation
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Tokenizers in the layouts of all versions of transformers, with tokens added by textual inversion and otherwise.
@Suite struct SavedTokenizerTests {
  private let saved: SavedTokenizers

  init() throws {
    let goldens = Goldens()
    saved = try SavedTokenizers(
      goldens("saved-tokenizers.json"), source: goldens("tiny/tokenizer_2"),
      vocabulary: ["vocab.json", "merges.txt"])
  }

  // CLIPTokenizer.from_pretrained(folder)(text).input_ids
  @Test func textsAreCutAsInTransformers() throws {
    let cases = try saved.cases()
    #expect(cases.count == 15)
    for tokenizer in cases {
      let cut = try Tokenizer(folder: tokenizer.folder.path)
      #expect(tokenizer.strings.count == 40)
      for (text, ids) in tokenizer.strings {
        #expect(Array(cut(text).ids.prefix(ids.count)) == ids, "\(tokenizer.name): \(text.debugDescription)")
      }
    }
  }

  /// transformers 4.57 writes an object where others write a list.
  @Test func namedSpecialTokensAreRead() throws {
    let tokenizer = try #require(saved.cases().first { $0.name == "inversion, saved" })
    let wanted = try Tokenizer(folder: tokenizer.folder.path)
    let path = tokenizer.folder("tokenizer_config.json")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for (tokens, photo) in [("{}", false), (#"{"photo_token": "<cat-toy>"}"#, true)] {
      let changed = "{\"extra_special_tokens\": \(tokens), " + text.drop { $0 != "{" }.dropFirst()
      try changed.write(toFile: path, atomically: true, encoding: .utf8)
      let found = try Tokenizer(folder: tokenizer.folder.path)
      for (text, _) in tokenizer.strings { #expect(found(text).ids == wanted(text).ids, "\(photo): \(text)") }
    }
  }

  @Test(arguments: [
    (#""padding_side": "left""#, "'padding_side' is \"left\""),
    (#""truncation_side": "left""#, "'truncation_side' is \"left\""),
    (#""split_special_tokens": true"#, "'split_special_tokens' is true"),
  ]) func settingsThatChangeTheTokensAreRefused(_ setting: String, _ says: String) throws {
    let tokenizer = try #require(saved.cases().first { $0.name == "inversion, saved" })
    let path = tokenizer.folder("tokenizer_config.json")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try "{\(setting), \(text.drop { $0 != "{" }.dropFirst())".write(
      toFile: path, atomically: true, encoding: .utf8)
    #expect(
      errorMessage { try Tokenizer(folder: tokenizer.folder.path) }.contains(
        "\(says), which is not supported"))
  }

  // tokenizer.decode of what does not fit
  @Test func whatDoesNotFitNamesAddedTokens() throws {
    let folder = try #require(saved.cases().first { $0.name == "inversion, saved" }).folder
    let tokens = try Tokenizer(folder: folder.path)(
      String(repeating: "<cat-toy>", count: 75) + " a <cat-toy>_1")
    #expect(tokens.removed == "a <cat-toy>_1")
  }

  // StableDiffusionXLPipeline.maybe_convert_prompt, then tokenizer(text).input_ids
  @Test(arguments: [
    (
      "a <cat-toy> on a table", "a <cat-toy> <cat-toy>_1 <cat-toy>_2 on a table",
      [998, 320, 1000, 1001, 1002, 524, 320, 563, 699, 999]
    ),
    (
      "<cat-toy> <CAT-TOY>", "<cat-toy> <cat-toy>_1 <cat-toy>_2 <CAT-TOY>",
      [998, 1000, 1001, 1002, 1000, 999]
    ),
    ("a <cat-toy>_1", "a <cat-toy>_1", [998, 320, 1001, 999]),
    (
      "<cat-toy> and <cat-toy>_2",
      "<cat-toy> <cat-toy>_1 <cat-toy>_2 and <cat-toy> <cat-toy>_1 <cat-toy>_2_2",
      [998, 1000, 1001, 1002, 522, 1000, 1001, 1002, 318, 273, 999]
    ),
    (
      "\u{E9}<cat-toy>\u{301}", "\u{E9}<cat-toy> <cat-toy>_1 <cat-toy>_2\u{301}",
      [998, 127, 358, 1000, 1001, 1002, 136, 479, 999]
    ),
    ("no token", "no token", [998, 77, 334, 547, 74, 575, 999]),
  ])
  func anEmbeddingOfSeveralVectorsIsReadWhole(_ prompt: String, _ expanded: String, _ ids: [Int]) throws {
    for name in ["inversion", "inversion, saved"] {
      let folder = try #require(saved.cases().first { $0.name == name }).folder
      let tokenizer = try Tokenizer(folder: folder.path)
      let found = tokenizer.expanded(prompt)
      #expect(Array(found.utf8) == Array(expanded.utf8))
      #expect(Array(tokenizer(found).ids.prefix(ids.count)) == ids)
    }
  }

  @Test(arguments: [
    (
      #"{"1001": {"content": "<x>"}}"#,
      "'FOLDER/tokenizer_config.json' gives the added token '<x>' the number 1001, but with 'FOLDER/vocab.json' "
        + "transformers gives it 1000; save the tokenizer again with transformers"
    ),
    (
      #"{"5": {"content": "a</w>"}}"#,
      "'FOLDER/tokenizer_config.json' gives the added token 'a</w>' the number 5, but with 'FOLDER/vocab.json' "
        + "transformers gives it 320; save the tokenizer again with transformers"
    ),
    (
      #"{"x": {"content": "<x>"}}"#,
      "'FOLDER/tokenizer_config.json': 'added_tokens_decoder' is \"x\", but it must be an object of tokens under their "
        + "numbers"
    ),
    (
      #"{"1000": {"content": "<x>", "lstrip": 1}}"#,
      "'FOLDER/tokenizer_config.json': 'added_tokens_decoder.lstrip' is 1, but it must be true or false"
    ),
    (
      #"{"1000": {"text": "<x>"}}"#,
      "'FOLDER/tokenizer_config.json': 'added_tokens_decoder' is an object of 1 keys, but it must be an object with "
        + "'content'"
    ),
  ])
  func addedTokensThatCannotBeAreRefused(_ decoder: String, _ message: String) throws {
    let folder = try #require(saved.cases().first { $0.name == "as it was" }).folder
    try TinyModel.set("added_tokens_decoder", to: decoder, in: "tokenizer_config.json", of: folder)
    expect(folder, message)
  }

  @Test(arguments: [
    ("[]", "'FOLDER/tokenizer.json' holds no tokenizer with a vocabulary under 'model.vocab'"),
    (
      #"{"model": {"vocab": ["a"]}}"#,
      "'FOLDER/tokenizer.json' holds no tokenizer with a vocabulary under 'model.vocab'"
    ),
    (
      #"{"model": {"type": "WordPiece", "vocab": {"a": 1}}}"#,
      "'FOLDER/tokenizer.json': 'model.type' is \"WordPiece\", which is not supported; supported: \"BPE\""
    ),
    (
      #"{"model": {"vocab": {"a": 1, "a": 2}}}"#,
      "'FOLDER/tokenizer.json' is not valid JSON: line 1, column 36: the key 'a' is there twice"
    ),
    (
      #"{"model": {"vocab": {"a": "1"}}}"#,
      "'FOLDER/tokenizer.json': the number of 'a' is \"1\", but it must be an integer from 0 to 1048575"
    ),
  ])
  func aBadTokenizerFileIsRefused(_ text: String, _ message: String) throws {
    let folder = try #require(saved.cases().first { $0.name == "saved" }).folder
    try folder.write(text.utf8, to: "tokenizer.json")
    expect(folder, message)
  }

  @Test(arguments: [
    (#"["a b c"]"#, "'FOLDER/tokenizer.json', merge 1: 'a b c' is not two tokens with a space between"),
    (
      #"[["i", "n"], ["a"]]"#,
      "'FOLDER/tokenizer.json', merge 2: '[\"a\"]' is not two tokens with a space between"
    ),
    (
      #"[["zzz", "q"]]"#,
      "'FOLDER/tokenizer.json', merge 1: 'zzz q' needs the token 'zzz', which 'FOLDER/tokenizer.json' does not have; "
        + "the two files must come from the same model"
    ),
    ("3", "'FOLDER/tokenizer.json' has no 'model.merges'; it must be a list of pairs"),
  ])
  func badMergesAreRefused(_ merges: String, _ message: String) throws {
    let folder = try #require(saved.cases().first { $0.name == "saved" }).folder
    var whole = saved.whole([Any]())
    var model = try #require(whole["model"] as? [String: Any])
    model["merges"] = try JSONSerialization.jsonObject(with: Data(merges.utf8), options: .fragmentsAllowed)
    whole["model"] = model
    try folder.write(JSONSerialization.data(withJSONObject: whole), to: "tokenizer.json")
    expect(folder, message)
  }

  @Test func badLegacyTokensAreRefused() throws {
    let folder = try #require(saved.cases().first { $0.name == "added_tokens.json" }).folder
    try folder.write(#"{"<x>": -1}"#.utf8, to: "added_tokens.json")
    expect(
      folder,
      "'FOLDER/added_tokens.json': the number of '<x>' is -1, but it must be an integer from 0 to 1048575")
    try folder.write("[]".utf8, to: "added_tokens.json")
    expect(folder, "'FOLDER/added_tokens.json' does not hold a JSON object of tokens and their numbers")
  }

  private func expect(
    _ folder: TemporaryFolder, _ message: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      errorMessage { try Tokenizer(folder: folder.path) }.replacing(folder.path, with: "FOLDER") == message,
      sourceLocation: sourceLocation)
  }
}
