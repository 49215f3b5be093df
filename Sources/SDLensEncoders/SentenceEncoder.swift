import Foundation
import SDLensCore
import SDLensDiffusion

/// Sentences as vectors of length one, close together where they mean alike: all-MiniLM-L6-v2 and other models of
/// sentence-transformers that are a BERT, the mean over its tokens, and a normalisation.
public struct SentenceEncoder: Sendable {
  /// Width of the embeddings.
  public let width: Int
  /// A number that changes with the model's content: its settings, vocabulary and weights.
  public let fingerprint: Fingerprint
  private let tokenizer: WordPiece
  private let encoder: BERT

  /// Sentences that are encoded at a time.
  private static let batch = 64

  /// Reads a folder in the layout of transformers or sentence-transformers: `config.json`, `model.safetensors`,
  /// the files of its tokenizer and, where they are, `modules.json`, which says where the others lie,
  /// `1_Pooling/config.json` and `sentence_bert_config.json`, which says how many tokens a sentence may have.
  ///
  /// - Throws: the errors of configuration, tokenizer and weights; `UnsupportedConfigValue` and
  ///   `UnsupportedModule` for models that compute something else.
  public init(folder root: String, engine: any Engine = KernelEngine()) throws {
    let paths = try UnsupportedModule.paths(root + "/modules.json") ?? ["", "1_Pooling"]
    let folder = paths[0].isEmpty ? root : "\(root)/\(paths[0])"
    try Self.checkPooling("\(root)/\(paths[1])/config.json")
    try Self.checkPrompt(root + "/config_sentence_transformers.json")
    let settings = try Self.optional(folder + "/sentence_bert_config.json")
    try settings?.require("do_lower_case", false)

    let weights = try WeightFile(folder: folder, name: "model", engine: engine)
    let encoder = try BERT(weights.root, ConfigFile(folder + "/config.json"))
    try weights.finish(ignoring: BERT.unusedWeights)
    let longest = 3...max(3, encoder.positions)
    let limit = settings?["max_seq_length"] == nil ? nil : try settings?.int("max_seq_length", in: longest)
    tokenizer = try WordPiece(folder: folder, length: limit, most: encoder.positions)
    guard tokenizer.vocabularySize <= encoder.vocabularySize else {
      throw BadConfigValue(
        path: folder + "/config.json", key: "vocab_size", found: .int(encoder.vocabularySize),
        needed: "at least \(tokenizer.vocabularySize), as many as '\(tokenizer.vocabularyPath)' has tokens")
    }
    fingerprint = try Fingerprint(
      of: ["config.json", "sentence_bert_config.json"] + TokenizerFiles.names, and: weights, in: folder)
    self.encoder = encoder
    width = encoder.width
  }

  private static func optional(_ path: String) throws -> ConfigFile? {
    FileManager.default.fileExists(atPath: path) ? try ConfigFile(path) : nil
  }

  /// Refuses a text that would come before every sentence.
  private static func checkPrompt(_ path: String) throws {
    guard let config = try optional(path), let name = config["default_prompt_name"],
      case .string(let key) = name, try config.section("prompts")?.string(key, default: "") ?? "" != ""
    else { return }
    throw BadConfigValue(
      path: path, key: "default_prompt_name", found: name,
      needed: "null, or the name of an empty prompt: sentences are encoded as they are")
  }

  /// Refuses any pooling but the mean over tokens.
  private static func checkPooling(_ path: String) throws {
    guard let config = try optional(path) else { return }
    for mode in ["cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"] {
      try config.require("pooling_mode_" + mode, false)
    }
    try config.require("pooling_mode_mean_tokens", true)
    // So since sentence-transformers 6.
    try config.require("pooling_mode", "mean", ["mean"])
  }

  /// The embeddings of sentences, [sentences, width], each of length 1; a sentence that is too long is cut.
  ///
  /// What is in the cache is not computed again.
  public func embeddings(of sentences: [String], cache: EmbeddingCache? = nil) throws -> Tensor {
    try Tensor.rows(of: sentences, atATime: 16 * Self.batch, width: width) { batch in
      try EmbeddingCache.rows(batch.map { EmbeddingCache.Key("sentence", $0.utf8) }, in: cache) { missing in
        encoded(missing.map { tokenizer(batch[$0]) })
      }
    }
  }

  /// Sentences of one length together: then there is no padding, and nothing to mask.
  private func encoded(_ sentences: [[Int]]) -> Tensor {
    var result = Tensor(uninitialized: [sentences.count, width])
    for (tokens, places) in Dictionary(grouping: sentences.indices, by: { sentences[$0].count }) {
      for first in stride(from: 0, to: places.count, by: Self.batch) {
        let places = places[first..<min(places.count, first + Self.batch)]
        let states = encoder(places.map { sentences[$0] })
        for (row, place) in places.enumerated() {
          states.withElements { states in
            for column in 0..<width {
              let start = row * tokens * width + column
              let sum = (0..<tokens).reduce(0.0) { $0 + Double(states[start + $1 * width]) }
              result[place * width + column] = Float(sum / Double(tokens))
            }
          }
        }
      }
    }
    return result.normalizedRows()
  }
}

/// A step of a sentence-transformers model that is not built.
public struct UnsupportedModule: UserError {
  let path: String
  let type: String

  private static let supported = ["Transformer", "Pooling", "Normalize"]

  /// The file, the module and what is supported.
  public var description: String {
    "'\(path)': the module '\(type)' is not supported; supported: " + Self.supported.joined(separator: ", ")
  }

  /// Reads `modules.json`, where there is one: where the files of transformer and pooling lie.
  static func paths(_ path: String) throws -> [String]? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    guard case .array(let modules) = try JSONValue(contentsOf: path) else {
      throw MalformedFile(path: path, reason: "does not hold a JSON list of modules")
    }
    let listed = try modules.map { module in
      guard case .object(let fields) = module, case .string(let type)? = fields["type"] else {
        throw MalformedFile(path: path, reason: "holds \(module), which is no module with a 'type'")
      }
      guard let name = supported.first(where: { type.hasSuffix("." + $0) }) else {
        throw UnsupportedModule(path: path, type: type)
      }
      guard case .string(let place) = fields["path"] ?? .string("") else {
        throw MalformedFile(path: path, reason: "holds a module whose 'path' is no text")
      }
      return (name: name, path: place)
    }
    let names = listed.map(\.name)
    guard names == supported || names == supported.dropLast() else {
      throw MalformedFile(
        path: path,
        reason:
          "lists the modules \(names.joined(separator: ", ")), but Transformer, Pooling and perhaps Normalize, in "
          + "this order, are supported")
    }
    return listed.map(\.path)
  }
}
