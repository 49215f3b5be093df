import Foundation
import SDLensCore
import SDLensDiffusion

/// CLIP: pictures and texts as vectors of one space, where what belongs together points the same way
/// (transformers: CLIPModel with a vision transformer).
public struct CLIP: Sendable {
  /// Width of the embeddings.
  public let width: Int
  /// A number that changes with the model's content: its settings, vocabulary and weights.
  public let fingerprint: Fingerprint
  private let preprocessing: PicturePreprocessing
  private let vision: VisionEncoder
  private let tokenizer: Tokenizer
  private let text: TextEncoder

  /// Pictures and texts that are encoded at a time.
  private static let batch = (pictures: 16, texts: 64)

  /// Reads a folder in transformers layout: `config.json`, `processor_config.json` or `preprocessor_config.json`,
  /// `model.safetensors`, and the files of the tokenizer.
  ///
  /// - Throws: the errors of configuration, tokenizer and weights, `UnsupportedConfigValue` for another kind of
  ///   model, and `CLIPMismatch` for parts that do not belong together.
  public init(folder: String, engine: any Engine = KernelEngine()) throws {
    let config = try ConfigFile(folder + "/config.json")
    // Other kinds have other names here: siglip, chinese_clip, clip_vision_model, …
    guard config["model_type"] == "clip" else {
      throw UnsupportedConfigValue(
        path: config.path, key: "model_type", found: config["model_type"] ?? .null, supported: ["clip"])
    }
    let width = try config.int("projection_dim", default: 512)
    let weights = try WeightFile(folder: folder, name: "model", engine: engine)
    let textConfig = try TextEncoderConfig(
      Self.section("text_config", config), projectionWidth: width)
    text = try TextEncoder(weights.root, config: textConfig, projected: true)
    vision = try VisionEncoder(weights.root, Self.section("vision_config", config), projectionWidth: width)
    try weights.finish(ignoring: TextEncoder.unusedWeights)
    let settings = try Self.processor(folder)
    let preprocessing = try PicturePreprocessing(settings)
    let tokenizer = try Tokenizer(folder: folder)
    try CLIPMismatch.check(
      folder, settings.path, preprocessing, pictureSize: vision.pictureSize, tokenizer, textConfig)
    fingerprint = try Fingerprint(
      of: ["config.json", "preprocessor_config.json", "processor_config.json"] + TokenizerFiles.names,
      and: weights, in: folder)
    (self.width, self.preprocessing, self.tokenizer) = (width, preprocessing, tokenizer)
  }

  /// The settings of the pictures: `image_processor` in `processor_config.json`, as transformers 5 saves them, else
  /// `preprocessor_config.json`.
  private static func processor(_ folder: String) throws -> ConfigFile {
    let path = folder + "/processor_config.json"
    if FileManager.default.fileExists(atPath: path),
      let section = try ConfigFile(path).section("image_processor")
    {
      return section
    }
    return try ConfigFile(folder + "/preprocessor_config.json")
  }

  /// `text_config` or `vision_config`; in old files `text_config_dict` stands above it.
  private static func section(_ key: String, _ config: ConfigFile) throws -> ConfigFile {
    if let section = try config.section(key + "_dict") ?? config.section(key) { return section }
    throw BadConfigValue(path: config.path, key: key, found: nil, needed: "an object")
  }

  /// The embeddings of pictures, [pictures, width], of any length (transformers: `get_image_features`).
  ///
  /// What is in the cache is not computed again.
  public func embeddings(of pictures: [Picture], cache: EmbeddingCache? = nil) throws -> Tensor {
    try Tensor.rows(of: pictures, atATime: Self.batch.pictures, width: width) { batch in
      let prepared = batch.map { preprocessing($0) }
      return try EmbeddingCache.rows(
        prepared.map { EmbeddingCache.Key("picture", $0.samples) }, in: cache
      ) { missing in vision(preprocessing.tensor(of: missing.map { prepared[$0] })) }
    }
  }

  /// The embeddings of texts, [texts, width], of any length (transformers: `get_text_features`).
  ///
  /// A text that is too long is cut, as `truncation=True` does. What is in the cache is not computed again.
  public func embeddings(of texts: [String], cache: EmbeddingCache? = nil) throws -> Tensor {
    try Tensor.rows(of: texts, atATime: Self.batch.texts, width: width) { batch in
      try EmbeddingCache.rows(batch.map { EmbeddingCache.Key("text", $0.utf8) }, in: cache) { missing in
        let ids = missing.map { tokenizer(batch[$0]).ids }
        // No token sees those behind it: what follows the last end changes nothing.
        let longest = ids.map { text.end(of: $0) + 1 }.max() ?? 0
        guard let pooled = text(ids.map { Array($0.prefix(longest)) }).pooled else {
          preconditionFailure("the encoder has a projection")
        }
        return pooled
      }
    }
  }
}

/// Parts of a CLIP folder that do not belong together.
public struct CLIPMismatch: UserError {
  /// The parts and their sizes.
  public let description: String

  static func check(
    _ folder: String, _ settings: String, _ preprocessing: PicturePreprocessing, pictureSize: Int,
    _ tokenizer: Tokenizer, _ text: TextEncoderConfig
  ) throws {
    let found = preprocessing.output.map { "\($0.height) × \($0.width) pixels" } ?? "pictures of any shape"
    if preprocessing.output?.height != pictureSize || preprocessing.output?.width != pictureSize {
      throw CLIPMismatch(
        description: "'\(settings)' makes \(found), but 'image_size' in "
          + "'\(folder)/config.json' is \(pictureSize); both must come from the same model")
    }
    if tokenizer.vocabularySize > text.vocabularySize {
      throw CLIPMismatch(
        description:
          "'\(tokenizer.vocabularyPath)' has tokens up to \(tokenizer.vocabularySize - 1), but 'vocab_size' "
          + "in '\(folder)/config.json' is \(text.vocabularySize); both must come from the same model")
    }
    if tokenizer.length > text.positions {
      throw CLIPMismatch(
        description: "'\(folder)/tokenizer_config.json' makes \(tokenizer.length) tokens, but "
          + "'max_position_embeddings' in '\(folder)/config.json' is \(text.positions); both must come from "
          + "the same model")
    }
  }
}
