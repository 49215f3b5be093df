import Foundation
import SDLensCore
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Testing

@Suite struct SentenceEncoderTests {
  private struct Strings: Decodable {
    struct Golden: Decodable {
      let text: String
      let ids: [Int]
      let cased: [Int]?
    }
    let strings: [Golden]
    let sentences: [String]?
  }
  private struct Characters: Decodable {
    let starts: [Int]
    let uncased, cased: [UInt32]
  }

  private let goldens = Goldens()

  /// A copy of the tiny model in which a text of a file is replaced.
  private func copy(_ file: String? = nil, _ old: String = "", _ new: String = "") throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in try FileManager.default.contentsOfDirectory(atPath: goldens("sentences")) {
      try FileManager.default.copyItem(atPath: goldens("sentences/" + name), toPath: folder(name))
    }
    if let file { try edit(file, of: folder, old, new) }
    return folder
  }

  private func edit(_ file: String, of folder: TemporaryFolder, _ old: String, _ new: String) throws {
    let text = try String(contentsOfFile: folder(file), encoding: .utf8)
    try #require(text.contains(old))
    try folder.write(text.replacing(old, with: new, maxReplacements: 1).utf8, to: file)
  }

  // transformers: BertTokenizer(text, truncation=True, max_length=256).input_ids
  @Test func awkwardStringsAreCutAsInTransformers() throws {
    let strings = try goldens.json("wordpiece.json", as: Strings.self).strings
    #expect(strings.count > 200)
    let uncased = try WordPiece(folder: goldens("sentences"), length: 256)
    let folder = try copy("tokenizer_config.json", "\"do_lower_case\": true", "\"do_lower_case\": false")
    let config = try String(contentsOfFile: folder("tokenizer_config.json"), encoding: .utf8)
    try folder.write(
      config.replacing("\"tokenize_chinese_chars\": true", with: "\"tokenize_chinese_chars\": false").utf8,
      to: "tokenizer_config.json")
    let cased = try WordPiece(folder: folder.path, length: 256)
    for golden in strings {
      #expect(uncased(golden.text) == golden.ids, "\(golden.text.debugDescription)")
      #expect(cased(golden.text) == golden.cased, "\(golden.text.debugDescription)")
    }
  }

  // tokenizers: BertPreTokenizer after BertNormalizer on "a" + character + "b"
  @Test func everyCharacterOfUnicodeIsTreatedAsInTokenizers() throws {
    let golden: Characters = try goldens.json("characters.json")
    for (wanted, text) in [
      (golden.uncased, BERTText()),
      (golden.cased, BERTText(lowersCase: false, stripsAccents: false, separatesIdeographs: false)),
    ] {
      #expect(wanted.count > 1024)
      for (start, wanted) in zip(golden.starts, wanted) {
        var hash: UInt32 = 0x811C_9DC5
        for scalar in (start..<start + 256).compactMap({ Unicode.Scalar(UInt32($0)) }) {
          let words = BERTText.words(text.cleaned(["a", scalar, "b"])[...])
          for (index, word) in words.enumerated() {
            if index > 0 { hash = (hash ^ 0x20) &* 0x0100_0193 }
            for byte in word.flatMap({ UTF8.encode($0).map(Array.init) ?? [] }) {
              hash = (hash ^ UInt32(byte)) &* 0x0100_0193
            }
          }
          hash = (hash ^ 0x0A) &* 0x0100_0193
        }
        #expect(hash == wanted, "a character of U+\(String(start, radix: 16)) and the 255 behind it")
      }
    }
  }

  // sentence-transformers: BertModel, mean over tokens, F.normalize
  @Test(arguments: EngineChoice.engines) func embeddingsAreThoseOfTheReference(_ engine: EngineChoice) throws
  {
    let sentences: [String] = try goldens.json("sentences.json")
    let encoder = try SentenceEncoder(folder: goldens("sentences"), engine: engine.engine)
    let tensors = try goldens.tensors("sentences.safetensors")
    #expect(encoder.width == 24)
    let found = try encoder.embeddings(of: sentences)
    try tensors.expect(found, equals: "embeddings", within: 2e-6)

    let folder = try TemporaryFolder()
    for _ in 0..<2 {
      let cache = try EmbeddingCache(folder: folder.path, model: encoder.fingerprint, width: 24) {
        Issue.record("\($0)")
      }
      expectSame(try encoder.embeddings(of: sentences, cache: cache), found, "cached")
      #expect(cache.count == sentences.count)
    }
  }

  // What transformers writes for a model with a head of its own.
  @Test func weightsMayHaveANameInFront() throws {
    let source = try goldens.tensors("sentences/model.safetensors")
    let folder = try copy()
    // Norms as files that were made from Google's own have them, and the heads of other tasks.
    try Safetensors.write(
      source.names.map {
        let name = $0.replacing("LayerNorm.weight", with: "LayerNorm.gamma").replacing(
          "LayerNorm.bias", with: "LayerNorm.beta")
        return ("bert." + name, try source.tensor($0))
      } + [("cls.predictions.bias", Tensor([0, 1])), ("classifier.bias", Tensor([0, 1]))],
      to: folder("model.safetensors"))
    let sentences: [String] = try goldens.json("sentences.json")
    try goldens.tensors("sentences.safetensors").expect(
      SentenceEncoder(folder: folder.path).embeddings(of: sentences), equals: "embeddings", within: 2e-6)
  }

  /// Where `modules.json` says that they are.
  @Test func filesMayLieInFoldersOfTheirOwn() throws {
    let sentences: [String] = try goldens.json("sentences.json")
    let folder = try copy("modules.json", "\"path\": \"\"", "\"path\": \"0_Transformer\"")
    let files = FileManager.default
    try files.createDirectory(atPath: folder("0_Transformer"), withIntermediateDirectories: false)
    for name in try files.contentsOfDirectory(atPath: folder.path)
    where name.contains(".") && name != "modules.json" {
      try files.moveItem(atPath: folder(name), toPath: folder("0_Transformer/\(name)"))
    }
    try goldens.tensors("sentences.safetensors").expect(
      SentenceEncoder(folder: folder.path).embeddings(of: sentences), equals: "embeddings", within: 2e-6)

    try files.moveItem(atPath: folder("1_Pooling"), toPath: folder("1_CLSPooling"))
    try edit("modules.json", of: folder, "1_Pooling", "1_CLSPooling")
    try edit(
      "1_CLSPooling/config.json", of: folder, "\"pooling_mode_cls_token\": false",
      "\"pooling_mode_cls_token\": true")
    #expect(
      errorMessage { try SentenceEncoder(folder: folder.path) }
        == "'\(folder.path)/1_CLSPooling/config.json': 'pooling_mode_cls_token' is true, which is not supported; "
        + "supported: false")
  }

  @Test func aPromptInFrontOfSentencesIsRefused() throws {
    let folder = try copy()
    func message(_ settings: String) throws -> String {
      try folder.write(settings.utf8, to: "config_sentence_transformers.json")
      return errorMessage { try SentenceEncoder(folder: folder.path) }
    }
    for settings in [
      #"{"prompts": {"query": "query: "}, "default_prompt_name": null}"#,
      #"{"default_prompt_name": "query"}"#,
      #"{"prompts": {"query": ""}, "default_prompt_name": "query"}"#,
    ] { #expect(try message(settings).isEmpty) }
    #expect(
      try message(#"{"prompts": {"query": "query: "}, "default_prompt_name": "query"}"#)
        == "'\(folder.path)/config_sentence_transformers.json': 'default_prompt_name' is \"query\", but it must be null, "
        + "or the name of an empty prompt: sentences are encoded as they are")
  }

  /// sentence-transformers: as many tokens as the transformer has places for, where nobody chose a number.
  @Test(arguments: ["1000000000000000019884624838656", "512", "null"])
  func lengthsBeyondAllPlacesAreThoseOfThePlaces(_ told: String) throws {
    let sentence = String(repeating: "a b ", count: 80)
    let shorter = try copy("sentence_bert_config.json", "40", "60")
    let folder = try copy("sentence_bert_config.json", "40", "null")
    try edit("tokenizer_config.json", of: folder, "\"model_max_length\": 60", "\"model_max_length\": \(told)")
    let (found, wanted) = try (SentenceEncoder(folder: folder.path), SentenceEncoder(folder: shorter.path))
    expectSame(try found.embeddings(of: [sentence]), try wanted.embeddings(of: [sentence]), told)
  }

  // The model itself is not kept here; Scripts/goldens/minilm.py says how to get it.
  @Test func allMiniLMIsThatOfTransformers() throws {
    let folder = goldens("../../../.build/all-MiniLM-L6-v2")
    guard FileManager.default.fileExists(atPath: folder + "/model.safetensors") else { return }
    let golden: Strings = try goldens.json("minilm.json")
    let tokenizer = try WordPiece(folder: folder, length: 256)
    for string in golden.strings {
      #expect(tokenizer(string.text) == string.ids, "\(string.text.debugDescription)")
    }
    let found = try SentenceEncoder(folder: folder).embeddings(of: try #require(golden.sentences))
    try goldens.tensors("minilm.safetensors").expect(found, equals: "embeddings", within: 1e-5)
  }

  @Test(arguments: [
    (
      "config.json", "\"model_type\": \"bert\"", "\"model_type\": \"mpnet\"",
      "'FOLDER/config.json': 'model_type' is \"mpnet\", which is not supported; supported: \"bert\""
    ),
    (
      "config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"gelu_new\"",
      "'FOLDER/config.json': 'hidden_act' is \"gelu_new\", which is not supported; supported: \"gelu\", \"gelu_python\""
    ),
    (
      "1_Pooling/config.json", "\"pooling_mode_cls_token\": false", "\"pooling_mode_cls_token\": true",
      "'FOLDER/1_Pooling/config.json': 'pooling_mode_cls_token' is true, which is not supported; "
        + "supported: false"
    ),
    (
      "1_Pooling/config.json", "\"pooling_mode_mean_tokens\": true", "\"pooling_mode_mean_tokens\": false",
      "'FOLDER/1_Pooling/config.json': 'pooling_mode_mean_tokens' is false, which is not supported; "
        + "supported: true"
    ),
    (
      "1_Pooling/config.json", "{", "{\"pooling_mode\": \"cls\", ",
      "'FOLDER/1_Pooling/config.json': 'pooling_mode' is \"cls\", which is not supported; supported: \"mean\", [\"mean\"]"
    ),
    (
      "modules.json", "sentence_transformers.models.Normalize", "sentence_transformers.models.Dense",
      "'FOLDER/modules.json': the module 'sentence_transformers.models.Dense' is not supported; supported: "
        + "Transformer, Pooling, Normalize"
    ),
    (
      "modules.json", "sentence_transformers.models.Pooling", "sentence_transformers.models.Transformer",
      "'FOLDER/modules.json' lists the modules Transformer, Transformer, Normalize, but Transformer, Pooling and "
        + "perhaps Normalize, in this order, are supported"
    ),
    (
      "modules.json", "\"1_Pooling\"", "7",
      "'FOLDER/modules.json' holds a module whose 'path' is no text"
    ),
    (
      "tokenizer_config.json", "{", "{\"truncation_side\": \"both\", ",
      "'FOLDER/tokenizer_config.json': 'truncation_side' is \"both\", which is not supported; supported: \"right\", "
        + "\"left\""
    ),
    (
      "modules.json", "\"type\"", "\"kind\"",
      "'FOLDER/modules.json' holds an object of 4 keys, which is no module with a 'type'"
    ),
    (
      "sentence_bert_config.json", "40", "61",
      "'FOLDER/sentence_bert_config.json': 'max_seq_length' is 61, but it must be an integer from 3 to 60"
    ),
    (
      "sentence_bert_config.json", "\"do_lower_case\": false", "\"do_lower_case\": true",
      "'FOLDER/sentence_bert_config.json': 'do_lower_case' is true, which is not supported; supported: false"
    ),
    (
      "sentence_bert_config.json", "\"max_seq_length\": 40,", "",
      ""
    ),
    (
      "vocab.txt", "[SEP]\n", "",
      "'FOLDER/special_tokens_map.json' names the special token '[SEP]', which 'FOLDER/vocab.txt' does not have"
    ),
    (
      "tokenizer_config.json", "\"BertTokenizer\"", "\"MPNetTokenizer\"",
      "'FOLDER/tokenizer_config.json': 'tokenizer_class' is \"MPNetTokenizer\", which is not supported; "
        + "supported: \"BertTokenizer\", \"BertTokenizerFast\""
    ),
    (
      "special_tokens_map.json", "\"[MASK]\"", "3",
      "'FOLDER/special_tokens_map.json': 'mask_token' is 3, but it must be a text or an object with 'content'"
    ),
    (
      "tokenizer_config.json", "{", "{\"added_tokens_decoder\": {\"9\": {\"content\": \"zzz\"}}, ",
      "'FOLDER/tokenizer_config.json' gives the added token 'zzz' the number 9, but with 'FOLDER/vocab.txt' "
        + "transformers gives it 312; save the tokenizer again with transformers"
    ),
  ])
  func whatIsNoSuchModelIsRefused(_ file: String, _ old: String, _ new: String, _ message: String) throws {
    let folder = try copy(file, old, new)
    let found = errorMessage { try SentenceEncoder(folder: folder.path) }
    #expect(found.replacing(folder.path, with: "FOLDER") == message)
  }

  @Test func aVocabularyThatIsTooLargeIsRefused() throws {
    let folder = try copy("vocab.txt", "[MASK]\n", "[MASK]\n" + String(repeating: "x\n", count: 900))
    #expect(
      errorMessage { try SentenceEncoder(folder: folder.path) }
        .contains("/config.json': 'vocab_size' is "))
  }
}
