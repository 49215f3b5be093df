import SDLensCore

/// The tokenizers and text encoders of a model, two in SDXL: prompts to embeddings (diffusers: `encode_prompt`).
public struct PromptEncoder: Sendable {
  private let tokenizers: [Tokenizer]
  private let encoders: [TextEncoder]
  private let weights: [WeightFile]
  private let family: ModelFamily
  private let emptyIsZero: Bool

  /// Reads the tokenizers and text encoders of a model: `tokenizer`, `text_encoder`, and in SDXL those with `_2` behind.
  ///
  /// - Throws: the errors of the tokenizers, the configurations and the weights, and `TextSizeMismatch`.
  public init(_ folder: ModelFolder) throws {
    family = folder.family
    emptyIsZero =
      try family.isToldOfSizes && folder.index.bool("force_zeros_for_empty_prompt", default: true)
    let suffixes = family.encoders
    tokenizers = try suffixes.map { try Tokenizer(folder: folder.folder(of: "tokenizer\($0)")) }
    weights = try suffixes.map { try folder.weights("text_encoder\($0)") }
    encoders = try zip(suffixes, weights).map { suffix, file in
      let config = try TextEncoderConfig(folder.config("text_encoder\(suffix)"))
      let projected = suffix == "_2"
      let encoder = try TextEncoder(file.root, config: config, projected: projected)
      try file.finish(ignoring: TextEncoder.unusedWeights(projected: projected))
      return encoder
    }
    try TextSizeMismatch.check(folder.path, tokenizers, encoders.map(\.config))
  }

  /// Lets go of the memory of the weights, which the next prompt reads again from the system's file cache.
  public func releasePages() { for file in weights { file.releasePages() } }

  /// Width of a token's vector: that of all encoders together.
  public var contextWidth: Int { encoders.reduce(0) { $0 + $1.config.width } }

  /// Width of a prompt's vector; 0 where there is none.
  public var pooledWidth: Int { family.isToldOfSizes ? encoders[1].config.projectionWidth : 0 }

  /// What prompts become: for each, the penultimate states of both encoders side by side, and the pooled
  /// output of the second; of a single encoder the last states.
  public func callAsFunction(_ prompts: [String]) -> PromptEmbeddings { encode(prompts) }

  /// What prompts become for classifier-free guidance: first those to be avoided, then the prompts themselves.
  ///
  /// Without `negative`, that is an empty prompt, or zeros where the `force_zeros_for_empty_prompt` of a model of SDXL is
  /// true. A negative prompt that is given and empty is encoded all the same.
  public func guided(_ prompts: [String], negative: [String]?) -> PromptEmbeddings {
    precondition(negative?.count ?? prompts.count == prompts.count)
    return encode((negative ?? prompts.map { _ in emptyIsZero ? nil : "" }) + prompts)
  }

  /// The end of a prompt that does not fit into the model, nil when it fits.
  public func cut(from prompt: String) -> String? {
    tokenizers.lazy.compactMap { $0($0.expanded(prompt)).removed }.first
  }

  /// The tokens of a prompt, and the words that they make up.
  ///
  /// - Throws: `TokensDiffer` when the two tokenizers cut it differently, so that a token's place is of two words.
  public func tokens(of prompt: String) throws -> PromptTokens {
    let all = tokenizers.map { PromptTokens($0.expanded(prompt), $0) }
    guard all.allSatisfy({ $0.words == all[0].words }) else { throw TokensDiffer(prompt: prompt) }
    return all[0]
  }

  /// How many tokens of a prompt the model reads, its start and end included.
  public var tokens: Int { tokenizers[0].length }

  /// Encodes every text once, however often it is there; nil becomes zeros.
  private func encode(_ texts: [String?]) -> PromptEmbeddings {
    var places: [String: Int] = [:]
    var distinct: [String] = []
    let rows = texts.map { text in
      text.map { text in
        if let place = places[text] { return place }
        places[text] = distinct.count
        distinct.append(text)
        return distinct.count - 1
      }
    }
    let ids = tokenizers.map { tokenizer in distinct.map { tokenizer(tokenizer.expanded($0)).ids } }
    guard family.isToldOfSizes else {
      return PromptEmbeddings(
        embeddings: encoders[0].states(of: ids[0]).gathered(rows),
        pooled: Tensor(repeating: 0, [rows.count, 0]))
    }
    let outputs = zip(encoders, ids).map { $0($1) }
    guard let pooled = outputs[1].pooled else { preconditionFailure("the second encoder has a projection") }
    let states = Tensor.concatenated(outputs[0].penultimate, outputs[1].penultimate)
    return PromptEmbeddings(embeddings: states.gathered(rows), pooled: pooled.gathered(rows))
  }
}

extension Tensor {
  /// Some of the elements along the first axis; zeros for nil.
  fileprivate func gathered(_ rows: [Int?]) -> Tensor {
    let size = count / shape[0]
    var result = Tensor(repeating: 0, Shape([rows.count] + shape.extents.dropFirst()))
    result.withMutableElements { result in
      withElements { elements in
        for (place, row) in rows.enumerated() {
          guard let row else { continue }
          _ = result[(place * size)...].update(fromContentsOf: elements[row * size..<(row + 1) * size])
        }
      }
    }
    return result
  }
}

/// Tokenizers and text encoders that do not belong together.
struct TextSizeMismatch: UserError {
  let description: String

  /// Checks that both tokenizers make equally many tokens, and that the encoders can read them.
  static func check(_ path: String, _ tokenizers: [Tokenizer], _ encoders: [TextEncoderConfig]) throws {
    for (suffix, (tokenizer, encoder)) in zip(["", "_2"], zip(tokenizers, encoders)) {
      if tokenizer.vocabularySize > encoder.vocabularySize {
        throw TextSizeMismatch(
          description: "'\(path)/tokenizer\(suffix)' has tokens up to \(tokenizer.vocabularySize - 1), but "
            + "'vocab_size' of '\(path)/text_encoder\(suffix)' is \(encoder.vocabularySize)")
      }
      if tokenizer.length > encoder.positions {
        throw TextSizeMismatch(
          description: "'\(path)/tokenizer\(suffix)' makes \(tokenizer.length) tokens, but "
            + "'max_position_embeddings' of '\(path)/text_encoder\(suffix)' is \(encoder.positions)")
      }
    }
    if let second = tokenizers.last, tokenizers[0].length != second.length {
      throw TextSizeMismatch(
        description: "'\(path)/tokenizer' makes \(tokenizers[0].length) tokens, but '\(path)/tokenizer_2' "
          + "\(second.length); 'model_max_length' of both must be equal")
    }
  }
}
