import Foundation
import SDLensCore
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Synchronization
import Testing

@Suite struct CLIPTests {
  private struct Golden: Decodable {
    let pictures: [GoldenPicture]
    let texts: [String]
  }

  private let goldens = Goldens()
  private let golden: Golden
  private let tensors: Safetensors

  init() throws {
    golden = try goldens.json("clip.json")
    tensors = try goldens.tensors("clip.safetensors")
  }

  /// A copy of the tiny model in which texts of files are replaced.
  private func copy(_ changes: [(file: String, old: String, new: String)] = []) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for file in try FileManager.default.contentsOfDirectory(atPath: goldens("clip")) {
      try FileManager.default.copyItem(atPath: goldens("clip/" + file), toPath: folder(file))
    }
    for change in changes {
      let text = try String(contentsOfFile: folder(change.file), encoding: .utf8)
      try #require(text.contains(change.old))
      try folder.write(text.replacing(change.old, with: change.new, maxReplacements: 1).utf8, to: change.file)
    }
    return folder
  }

  // transformers: CLIPImageProcessorPil(**settings)(picture).pixel_values
  @Test func picturesArePreparedAsInTransformers() throws {
    let text = try String(contentsOfFile: goldens("clip.json"), encoding: .utf8)
    let all = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let settings = try #require(all["preprocessing"] as? [String: [String: Any]])
    let base = try Data(contentsOf: URL(fileURLWithPath: goldens("clip/preprocessor_config.json")))
    let folder = try TemporaryFolder()
    var compared = 0
    for (name, changes) in settings {
      let config = try #require(JSONSerialization.jsonObject(with: base) as? [String: Any])
      let data = try JSONSerialization.data(withJSONObject: config.merging(changes) { $1 })
      let preprocessing = try PicturePreprocessing(ConfigFile(folder.write(data, to: "config.json")))
      for (index, picture) in golden.pictures.enumerated() where tensors.contains("\(name).\(index)") {
        let found = preprocessing.tensor(of: [preprocessing(picture.picture)])
        try tensors.expect(found, equals: "\(name).\(index)", within: 3e-7)
        compared += 1
      }
    }
    #expect(compared == 28)
  }

  // transformers: get_image_features, get_text_features, CLIPModel(…).image_embeds, .text_embeds
  @Test(arguments: ["as made", "swapped"], EngineChoice.engines)
  func embeddingsAreThoseOfTransformers(_ name: String, _ engine: EngineChoice) throws {
    let swap =
      name == "swapped"
      ? [
        ("config.json", "\"quick_gelu\"", "\"GELU\""), ("config.json", "\"gelu\"", "\"quick_gelu\""),
        ("config.json", "\"GELU\"", "\"gelu\""),
      ] : []
    let folder = try copy(swap)
    let clip = try CLIP(folder: folder.path, engine: engine.engine)
    #expect(clip.width == 18)
    let pictures = try clip.embeddings(of: golden.pictures.map(\.picture))
    let texts = try clip.embeddings(of: golden.texts)
    try tensors.expect(pictures, equals: name + ".picture", within: 4e-6)
    try tensors.expect(texts, equals: name + ".text", within: 4e-6)
    try tensors.expect(pictures.normalizedRows(), equals: name + ".picture.normalized", within: 4e-6)
    try tensors.expect(texts.normalizedRows(), equals: name + ".text.normalized", within: 4e-6)
    try tensors.expect(pictures.cosines(with: texts), equals: name + ".cosines", within: 4e-6)
  }

  @Test func manyAreWhatEachIsAlone() throws {
    let clip = try CLIP(folder: goldens("clip"))
    let pictures = (0..<35).map { golden.pictures[$0 % 6].picture }
    let texts = (0..<70).map { golden.texts[$0 % 5] + "\($0)" }
    let (many, manyTexts) = (try clip.embeddings(of: pictures), try clip.embeddings(of: texts))
    for index in [0, 15, 16, 34] {
      expectClose(
        many.rows(index..<index + 1), try clip.embeddings(of: [pictures[index]]), within: 1e-6, "\(index)")
    }
    for index in [0, 63, 64, 69] {
      expectClose(
        manyTexts.rows(index..<index + 1), try clip.embeddings(of: [texts[index]]), within: 1e-6, "\(index)")
    }
    #expect(try clip.embeddings(of: [Picture]()).shape == [0, 18])
  }

  @Test func whatIsInTheCacheIsNotComputedAgain() throws {
    let clip = try CLIP(folder: goldens("clip"))
    let folder = try TemporaryFolder()
    func cache() throws -> EmbeddingCache {
      try EmbeddingCache(folder: folder.path, model: clip.fingerprint, width: 18) { Issue.record("\($0)") }
    }
    let pictures = golden.pictures.map(\.picture)
    let plain = try clip.embeddings(of: pictures)
    let texts = try clip.embeddings(of: golden.texts)
    for _ in 0..<2 {
      let cache = try cache()
      expectClose(try clip.embeddings(of: pictures, cache: cache), plain, within: 1e-6, "pictures")
      expectClose(try clip.embeddings(of: golden.texts, cache: cache), texts, within: 1e-6, "texts")
      // A grey picture with its samples three times is the same input.
      _ = try clip.embeddings(of: [pictures[1], pictures[1]], cache: cache)
      #expect(cache.count == 11)
    }
  }

  // CLIPModel.save_pretrained and CLIPProcessor.save_pretrained of transformers 5: the settings of the pictures are a
  // section of processor_config.json, the tokenizer is one file.
  @Test func filesOfTransformers5AreRead() throws {
    let settings = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: goldens("clip/preprocessor_config.json"))))
    let folder = try copy()
    let processor: [String: Any] = ["processor_class": "CLIPProcessor", "image_processor": settings]
    try folder.write(JSONSerialization.data(withJSONObject: processor), to: "processor_config.json")
    try FileManager.default.removeItem(atPath: folder("preprocessor_config.json"))
    let clip = try CLIP(folder: folder.path)
    try tensors.expect(
      clip.embeddings(of: golden.pictures.map(\.picture)), equals: "as made.picture", within: 4e-6)
    // The section counts, where there are both.
    try folder.write("{}".utf8, to: "preprocessor_config.json")
    #expect(try CLIP(folder: folder.path).width == 18)
    let text = try String(contentsOfFile: folder("processor_config.json"), encoding: .utf8)
    let other = text.replacing(/"resample" ?: ?3/, with: "\"resample\": 0")
    try folder.write(other.utf8, to: "processor_config.json")
    #expect(
      errorMessage { try CLIP(folder: folder.path) }
        == "'\(folder("processor_config.json"))': 'image_processor.resample' is 0, which is not supported; "
        + "supported: 1, 2, 3, 4")
    // A section of the tokenizer alone says nothing of pictures.
    try folder.write(#"{"processor_class": "CLIPProcessor"}"#.utf8, to: "processor_config.json")
    try FileManager.default.removeItem(atPath: folder("preprocessor_config.json"))
    #expect(
      errorMessage { try CLIP(folder: folder.path) }.contains("preprocessor_config.json' does not exist"))
  }

  // Files made before 2022 have the settings that count under another name too.
  @Test func oldFilesHaveASecondSection() throws {
    let folder = try copy([
      ("config.json", "\"text_config\"", "\"text_config\": {\"hidden_size\": 7}, \"text_config_dict\"")
    ])
    try tensors.expect(
      CLIP(folder: folder.path).embeddings(of: golden.texts), equals: "as made.text", within: 4e-6)
  }

  @Test func theFingerprintIsThatOfTheContent() throws {
    let one = try CLIP(folder: goldens("clip")).fingerprint
    let same = try copy()
    #expect(try CLIP(folder: same.path).fingerprint.description == one.description)
    let other = try copy([("preprocessor_config.json", "\"resample\": 3", "\"resample\": 2")])
    #expect(try CLIP(folder: other.path).fingerprint.description != one.description)
  }

  @Test(arguments: [
    (
      "config.json", "\"model_type\": \"clip\"", "\"model_type\": \"siglip\"",
      "'FOLDER/config.json': 'model_type' is \"siglip\", which is not supported; supported: \"clip\""
    ),
    (
      "config.json", "\"vision_config\"", "\"vision\"",
      "'FOLDER/config.json' has no 'vision_config'; it must be an object"
    ),
    (
      "config.json", "\"clip_vision_model\"", "\"resnet\"",
      "'FOLDER/config.json': 'vision_config.model_type' is \"resnet\", which is not supported; "
        + "supported: \"clip_vision_model\""
    ),
    (
      "config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 7",
      "'FOLDER/config.json': 'vision_config.num_attention_heads' is 7, but it must be a divisor of "
        + "'hidden_size', which is 20"
    ),
    (
      "config.json", "\"image_size\": 28", "\"image_size\": \"big\"",
      "'FOLDER/config.json': 'vision_config.image_size' is \"big\", but it must be an integer from 1 to 8192"
    ),
    (
      "config.json", "\"image_size\": 28", "\"image_size\": 35",
      "'vision_model.embeddings.position_embedding.weight' has shape [17, 20], but the model needs [26, 20]; "
        + "check that the config.json beside 'FOLDER/model.safetensors' belongs to it"
    ),
    (
      "config.json", "\"projection_dim\": 18", "\"projection_dim\": 17",
      "'text_projection.weight' has shape [18, 24], but the model needs [17, 24]; "
        + "check that the config.json beside 'FOLDER/model.safetensors' belongs to it"
    ),
    (
      "preprocessor_config.json", "\"resample\": 3", "\"resample\": 0",
      "'FOLDER/preprocessor_config.json': 'resample' is 0, which is not supported; supported: 1, 2, 3, 4"
    ),
    (
      "preprocessor_config.json", "\"CLIPFeatureExtractor\"", "\"SiglipImageProcessor\"",
      "'FOLDER/preprocessor_config.json': 'feature_extractor_type' is \"SiglipImageProcessor\", which is not "
        + "supported; supported: \"CLIPImageProcessor\", \"CLIPImageProcessorFast\", "
        + "\"CLIPImageProcessorPil\", \"CLIPFeatureExtractor\""
    ),
    (
      "preprocessor_config.json", "\"height\": 28", "\"height\": 0",
      "'FOLDER/preprocessor_config.json': 'crop_size.height' is 0, but it must be an integer from 1 to 8192"
    ),
    (
      "preprocessor_config.json", "\"shortest_edge\": 28", "\"longest_edge\": 28",
      "'FOLDER/preprocessor_config.json' has no 'size.height'; it must be an integer from 1 to 8192"
    ),
    (
      "preprocessor_config.json", "0.26862954", "0",
      "'FOLDER/preprocessor_config.json': 'image_std' is [0, 0.26130258, 0.27577711], but it must be three "
        + "numbers above 0"
    ),
    (
      "preprocessor_config.json", "0.48145466", "\"x\"",
      "'FOLDER/preprocessor_config.json': 'image_mean' is [\"x\", 0.4578275, 0.40821073], but it must be a "
        + "number or three of them"
    ),
    (
      "preprocessor_config.json", "\"width\": 28", "\"width\": 29",
      "'FOLDER/preprocessor_config.json' makes 28 × 29 pixels, but 'image_size' in 'FOLDER/config.json' is 28; "
        + "both must come from the same model"
    ),
    (
      "preprocessor_config.json", "\"do_center_crop\": true", "\"do_center_crop\": false",
      "'FOLDER/preprocessor_config.json' makes pictures of any shape, but 'image_size' in 'FOLDER/config.json' "
        + "is 28; both must come from the same model"
    ),
    (
      "vocab.json", "{", "{\"more\": 700, ",
      "'FOLDER/vocab.json' has tokens up to 700, but 'vocab_size' in 'FOLDER/config.json' is 614; both must "
        + "come from the same model"
    ),
    (
      "tokenizer_config.json", "\"model_max_length\": 77", "\"model_max_length\": 78",
      "'FOLDER/tokenizer_config.json' makes 78 tokens, but 'max_position_embeddings' in 'FOLDER/config.json' "
        + "is 77; both must come from the same model"
    ),
  ])
  func whatIsNoSuchModelIsRefused(_ file: String, _ old: String, _ new: String, _ message: String) throws {
    let folder = try copy([(file, old, new)])
    let found = errorMessage { try CLIP(folder: folder.path) }
    #expect(found.replacing(folder.path, with: "FOLDER") == message)
  }

  @Test(arguments: [
    "config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "model.safetensors",
  ])
  func whatLacksIsNamed(_ file: String) throws {
    let folder = try copy()
    try FileManager.default.removeItem(atPath: folder(file))
    let found = errorMessage { try CLIP(folder: folder.path) }
    #expect(found.contains(file) && found.contains(folder.path), "\(found)")
  }
}
