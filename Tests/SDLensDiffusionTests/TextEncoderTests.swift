import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

@Suite struct TextEncoderTests {
  private struct Texts: Decodable {
    let prompts: [Prompt]
    let encodings: [Encoding]
  }
  private struct Prompt: Decodable {
    let prompt: String
    let one, two: Tokens
  }
  private struct Tokens: Decodable { let ids: [Int] }
  private struct Encoding: Decodable {
    let name: String
    let prompts: [String]
    let negative_prompts: [String]?
    let guidance: Float
    let force_zeros_for_empty_prompt: Bool
  }

  private let goldens = Goldens()
  private let texts: Texts
  private let tensors: Safetensors

  init() throws {
    texts = try goldens.json("text.json")
    tensors = try goldens.tensors("text.safetensors")
  }

  /// One of the two encoders of the tiny model, with another end token if asked.
  private func encoder(_ name: String, endToken: Int? = nil, _ engine: EngineChoice = .sdlens) throws
    -> TextEncoder
  {
    let source = goldens("tiny/" + name)
    let file = try WeightFile(folder: source, name: "model", engine: engine.engine)
    var text = try String(contentsOfFile: source + "/config.json", encoding: .utf8)
    if let endToken { text = text.replacing(/"eos_token_id": \d+/, with: "\"eos_token_id\": \(endToken)") }
    let folder = try TemporaryFolder()
    let config = try TextEncoderConfig(ConfigFile(folder.write(text.utf8, to: "config.json")))
    let encoder = try TextEncoder(file.root, config: config, projected: name == "text_encoder_2")
    try file.finish(ignoring: TextEncoder.unusedWeights(projected: name == "text_encoder_2"))
    return encoder
  }

  // transformers: CLIPTextModel and CLIPTextModelWithProjection, hidden_states[-2] and text_embeds
  @Test(arguments: EngineChoice.engines)
  func bothEncodersAreThoseOfTransformers(_ engine: EngineChoice) throws {
    let (one, two) = (try encoder("text_encoder", engine), try encoder("text_encoder_2", engine))
    for (index, prompt) in texts.prompts.enumerated() {
      let first = one([prompt.one.ids])
      try tensors.expect(first.penultimate, equals: "\(index).one.hidden.2", within: 1e-6)
      #expect(first.pooled == nil)
      let second = two([prompt.two.ids])
      try tensors.expect(second.penultimate, equals: "\(index).two.hidden.3", within: 1e-6)
      try tensors.expect(try #require(second.pooled), equals: "\(index).two.projected", within: 1e-6)
    }
  }

  @Test(arguments: [("legacy", 2), ("other", 320)])
  func theEndTokenIsFoundAsInTransformers(_ name: String, _ endToken: Int) throws {
    let encoder = try encoder("text_encoder_2", endToken: endToken)
    for (index, prompt) in texts.prompts.enumerated() {
      let pooled = try #require(encoder([prompt.two.ids]).pooled)
      try tensors.expect(pooled, equals: "\(name).two.\(index).projected", within: 1e-6)
    }
  }

  @Test func aBatchIsWhatItsTextsAreAlone() throws {
    let encoder = try encoder("text_encoder_2")
    let batch = encoder(texts.prompts.map(\.two.ids))
    let alone = texts.prompts.map { encoder([$0.two.ids]) }
    let together = Closeness(batch.penultimate.elements, to: alone.flatMap { $0.penultimate.elements })
    #expect(together.ratio < 1e-6, "\(together)")
    let pooled = try Closeness(
      #require(batch.pooled).elements, to: alone.flatMap { try #require($0.pooled).elements })
    #expect(pooled.ratio < 1e-6, "\(pooled)")
  }

  // What transformers 5 writes for a text model that it made itself.
  @Test func weightsMayLackTheFirstName() throws {
    let source = try goldens.tensors("tiny/text_encoder/model.safetensors")
    let folder = try TemporaryFolder()
    let weights = try source.names.filter { !$0.hasSuffix("position_ids") }
      .map { (name: String($0.dropFirst("text_model.".count)), tensor: try source.tensor($0)) }
    try Safetensors.write(weights, to: folder("model.safetensors"))
    let file = try WeightFile(folder: folder.path, name: "model")
    let config = try TextEncoderConfig(ConfigFile(goldens("tiny/text_encoder/config.json")))
    let encoder = try TextEncoder(file.root, config: config, projected: false)
    try file.finish()
    let output = encoder([texts.prompts[0].one.ids])
    try tensors.expect(output.penultimate, equals: "0.one.hidden.2", within: 1e-6)
  }

  // diffusers: StableDiffusionXLPipeline.encode_prompt
  @Test func promptsAreEncodedAsInDiffusers() throws {
    for golden in texts.encodings {
      let encoder = try promptEncoder(emptyIsZero: golden.force_zeros_for_empty_prompt)
      let found =
        golden.guidance > 1
        ? encoder.guided(golden.prompts, negative: golden.negative_prompts) : encoder(golden.prompts)
      try tensors.expect(found.embeddings, equals: "\(golden.name).prompt_embeds", within: 1e-6)
      try tensors.expect(found.pooled, equals: "\(golden.name).pooled_prompt_embeds", within: 1e-6)
    }
    let encoder = try promptEncoder(emptyIsZero: true)
    #expect(encoder.contextWidth == 62 && encoder.pooledWidth == 30 && encoder.tokens == 77)
  }

  // Both encoders read the second token, too, and it counts where a prompt is too long. In capitals the tokens are the
  // same, but no text that diffusers replaces.
  @Test func anEmbeddingOfSeveralVectorsIsEncodedWhole() throws {
    let folder = try TemporaryFolder()
    try TinyModel.copy(to: folder)
    for suffix in ["", "_2"] {
      let part = "text_encoder\(suffix)"
      let weights = try goldens.tensors("tiny/\(part)/model.safetensors")
      let grown = try weights.names.filter { !$0.hasSuffix("position_ids") }.map { name in
        let tensor = try weights.tensor(name)
        guard name.hasSuffix("token_embedding.weight") else { return (name: name, tensor: tensor) }
        let rows = tensor.elements.suffix(2 * tensor.shape[1])
        return (name, Tensor(tensor.elements + rows, [tensor.shape[0] + 2, tensor.shape[1]]))
      }
      try Safetensors.write(grown, to: folder("grown.safetensors"))
      try FileManager.default.removeItem(atPath: folder("\(part)/model.safetensors"))
      try FileManager.default.moveItem(
        atPath: folder("grown.safetensors"), toPath: folder("\(part)/model.safetensors"))
      try TinyModel.set("vocab_size", to: "1002", in: "\(part)/config.json", of: folder)
      try TinyModel.set(
        "added_tokens_decoder", to: #"{"1000": {"content": "<x>"}, "1001": {"content": "<x>_1"}}"#,
        in: "tokenizer\(suffix)/tokenizer_config.json", of: folder)
    }
    let encoder = try PromptEncoder(ModelFolder(folder.path))
    let (short, long, half) = (encoder(["a <x> b"]), encoder(["a <X> <X>_1 b"]), encoder(["a <x>_1 b"]))
    #expect(short.pooled.elements == long.pooled.elements)
    #expect(short.embeddings.elements == long.embeddings.elements)
    #expect(short.embeddings.elements != half.embeddings.elements)
    #expect(
      try encoder.tokens(of: "a <x> b").words.map(\.text).prefix(4) == ["<start>", "a", "<x>", "<x>_1"])
    #expect(encoder.cut(from: String(repeating: "<x> ", count: 38))?.contains("<x>_1") == true)
  }

  @Test func aPromptThatIsTooLongSaysWhatIsCut() throws {
    let encoder = try promptEncoder(emptyIsZero: true)
    #expect(encoder.cut(from: "a photo of a cat") == nil)
    let words = (0..<100).map { "cat\($0 % 10)" }
    #expect(encoder.cut(from: words.joined(separator: " "))?.hasSuffix("cat 8 cat 9") == true)
  }

  @Test(arguments: [
    (
      "tokenizer/vocab.json", "{", "{\"more\": 1000, ",
      "'FOLDER/tokenizer' has tokens up to 1000, but 'vocab_size' of 'FOLDER/text_encoder' is 1000"
    ),
    (
      "tokenizer_2/tokenizer_config.json", "\"model_max_length\": 77", "\"model_max_length\": 78",
      "'FOLDER/tokenizer_2' makes 78 tokens, but 'max_position_embeddings' of 'FOLDER/text_encoder_2' is 77"
    ),
    (
      "tokenizer_2/tokenizer_config.json", "\"model_max_length\": 77", "\"model_max_length\": 70",
      "'FOLDER/tokenizer' makes 77 tokens, but 'FOLDER/tokenizer_2' 70; 'model_max_length' of both must be equal"
    ),
    (
      "text_encoder/config.json", "\"hidden_act\": \"quick_gelu\"", "\"hidden_act\": \"gelu_new\"",
      "'FOLDER/text_encoder/config.json': 'hidden_act' is \"gelu_new\", which is not supported; "
        + "supported: \"quick_gelu\", \"gelu\""
    ),
    (
      "text_encoder/config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 3",
      "'FOLDER/text_encoder/config.json': 'num_attention_heads' is 3, "
        + "but it must be a divisor of 'hidden_size', which is 20"
    ),
    (
      "text_encoder/config.json", "\"clip_text_model\"", "\"t5\"",
      "'FOLDER/text_encoder/config.json': 'model_type' is \"t5\", which is not supported; "
        + "supported: \"clip_text_model\""
    ),
  ])
  func partsThatDoNotBelongTogetherAreRefused(
    _ file: String, _ old: String, _ new: String, _ message: String
  ) throws {
    let folder = try tinyModel()
    let text = try String(contentsOfFile: folder(file), encoding: .utf8)
    try folder.write(text.replacing(old, with: new, maxReplacements: 1).utf8, to: file)
    let found = errorMessage { try PromptEncoder(ModelFolder(folder.path)) }
    #expect(found.replacing(folder.path, with: "FOLDER") == message)
  }

  private func promptEncoder(emptyIsZero: Bool) throws -> PromptEncoder {
    let folder = try tinyModel()
    let text = try String(contentsOfFile: folder("model_index.json"), encoding: .utf8)
    let key = "\"force_zeros_for_empty_prompt\": "
    try folder.write(
      text.replacing(key + "true", with: key + "\(emptyIsZero)").utf8, to: "model_index.json")
    return try PromptEncoder(ModelFolder(folder.path))
  }

  /// A copy of the tiny model.
  private func tinyModel() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for file in try FileManager.default.contentsOfDirectory(atPath: goldens("tiny")) {
      try FileManager.default.copyItem(atPath: goldens("tiny/" + file), toPath: folder(file))
    }
    return folder
  }
}
