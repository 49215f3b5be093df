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

  /// Reads a folder in transformers layout: `config.json`, `preprocessor_config.json`, `model.safetensors`,
  /// `vocab.json`, `merges.txt`, `tokenizer_config.json`.
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
    // The scale is for training, and the position numbers are 0, 1, 2, ….
    try weights.finish(ignoring: TextEncoder.unusedWeights + ["logit_scale"])
    let preprocessing = try PicturePreprocessing(ConfigFile(folder + "/preprocessor_config.json"))
    let tokenizer = try Tokenizer(folder: folder)
    try CLIPMismatch.check(folder, preprocessing, pictureSize: vision.pictureSize, tokenizer, textConfig)
    fingerprint = try Fingerprint(
      of: ["config.json", "preprocessor_config.json"] + Self.tokenizerFiles, and: weights, in: folder)
    (self.width, self.preprocessing, self.tokenizer) = (width, preprocessing, tokenizer)
  }

  /// The files of the tokenizer.
  private static let tokenizerFiles = [
    "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
  ]

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
    _ folder: String, _ preprocessing: PicturePreprocessing, pictureSize: Int, _ tokenizer: Tokenizer,
    _ text: TextEncoderConfig
  ) throws {
    let found = preprocessing.output.map { "\($0.height) × \($0.width) pixels" } ?? "pictures of any shape"
    if preprocessing.output?.height != pictureSize || preprocessing.output?.width != pictureSize {
      throw CLIPMismatch(
        description: "'\(folder)/preprocessor_config.json' makes \(found), but 'image_size' in "
          + "'\(folder)/config.json' is \(pictureSize); both must come from the same model")
    }
    if tokenizer.vocabularySize > text.vocabularySize {
      throw CLIPMismatch(
        description:
          "'\(folder)/vocab.json' has tokens up to \(tokenizer.vocabularySize - 1), but 'vocab_size' "
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
