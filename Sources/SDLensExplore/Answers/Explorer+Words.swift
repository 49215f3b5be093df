import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Answers about words of the prompt, and about two dictionaries.
extension Explorer {
  /// So many runs' maps of words are remembered: that of the view, and one more.
  private static let keptMaps = 2
  private static let mostWords = 128

  /// Where words act: over some blocks or all, together or each by itself.
  func words(_ fields: inout EditFields, _ work: Work) throws -> Answer.Words {
    let request = try RunRequest(&fields, of: exactModel, pictureSize: pictureSize)
    let named = try texts("words", &fields)
    let blocks = try texts("blocks", &fields).map(BlockName.init)
    let along = try axis(&fields)
    try fields.finish()
    try laboratory.model.check(blocks)
    let start = Self.now
    let maps = try wordMaps(request, work)
    let labels = maps.labels.filter { label in blocks.isEmpty || blocks.contains { "\($0)" == label } }
    let tokens = maps.tokens
    let found = try (named.isEmpty ? tokens.names : named).flatMap { word in
      let places = try tokens.places(of: word)
      func answer(_ label: String, _ map: Tensor) -> Answer.Words.Map {
        .init(WordMaps.Finding(word, tokens: places, of: label, map), map)
      }
      guard along == nil else {
        return labels.map { answer($0, maps.map(of: places, at: maps.labels.firstIndex(of: $0)!)) }
      }
      return [answer("", maps.mean(of: places, over: labels))]
    }
    return Answer.Words(
      prompt: request.prompt, seed: request.settings.seed, words: tokens.words, removed: tokens.removed,
      along: along, maps: found, seconds: Self.now - start)
  }

  /// Where a word acts, as `sdlens intervene --mask word:TEXT` takes it.
  func mask(_ fields: inout EditFields, _ work: Work) throws -> Answer.Mask {
    let request = try RunRequest(&fields, of: exactModel, pictureSize: pictureSize)
    let block = try BlockName(fields.string("block"))
    let word = try fields.string("word")
    var threshold = 0.5
    if let value = fields.optional("threshold") {
      guard let number = value.number, 0...1 ~= number else {
        throw EditFields.Mistake("has as 'threshold' \(value), but it must be from 0 to 1")
      }
      threshold = number
    }
    try fields.finish()
    try laboratory.model.check([block])
    let maps = try wordMaps(request, work)
    let size = try laboratory.pipeline.mapSize(of: block, request.settings)
    return Answer.Mask(
      block: "\(block)", word: word, threshold: threshold,
      mask: .places(try maps.mask(of: word, threshold: threshold, size: size)))
  }

  /// Of each feature of a block's dictionary the likest of another dictionary of the block.
  func match(_ fields: inout EditFields, _ work: Work) throws -> Answer.Match {
    let chosen = try shelf.choice(fields.dictionaries())
    let (block, first) = try chosen.index(of: fields.string("block"))
    let second = try shelf.index(of: block, fields.string("other"))
    let (tab, lane) = try RunRequest.caller(&fields)
    try fields.finish()
    let widths = [first, second].map(\.folder.autoencoder.decoder.width)
    guard widths[0] == widths[1] else {
      throw Refusal(
        422,
        "'\(first.folder.identity.name)' is of vectors of width \(widths[0]), '\(second.folder.identity.name)' of width \(widths[1]); "
          + "choose dictionaries of one model")
    }
    return try compute(tab, lane, work) { _ in
      let match = DictionaryMatch(
        first.folder.autoencoder.decoder, with: second.folder.autoencoder.decoder)
      return Answer.Match(
        block: "\(block)", dictionary: first.folder.identity, other: second.folder.identity,
        nearest: match.nearest, cosines: match.cosines, mutual: match.isMutual,
        meanMatchedCosine: match.mean, mutualShare: match.mutual)
    }
  }

  /// The maps of all words in each block; the run is done once.
  private func wordMaps(_ request: RunRequest, _ work: Work) throws -> WordMaps {
    try compute(request.tab, request.lane, work) { turn in
      if let found = words.withLock({ $0.first { $0.run == request.run }?.maps }) { return found }
      defer { if !laboratory.model.paintsShapes { laboratory.releaseEncoder() } }
      let maps = try laboratory.wordMaps(
        of: request.prompt, negative: request.negative, request.settings, AttentionChoice(along: .blocks),
        pause: pause("where words act", request.settings, turn, work)
      ).maps
      words.withLock { $0 = [(request.run, maps)] + $0.prefix(Self.keptMaps - 1) }
      return maps
    }
  }

  /// A list of texts that may be left out.
  private func texts(_ key: String, _ fields: inout EditFields) throws -> [String] {
    guard let value = fields.optional(key), value != .null else { return [] }
    guard case .array(let list) = value, list.count <= Self.mostWords else {
      throw EditFields.Mistake(
        "has as '\(key)' what is not a list of at most \(Self.mostWords) texts")
    }
    return try list.map {
      guard case .string(let text) = $0 else {
        throw EditFields.Mistake("has in '\(key)' \($0), but it must be a text")
      }
      return text
    }
  }

  private func axis(_ fields: inout EditFields) throws -> AttentionChoice.Axis? {
    switch fields.optional("along") {
    case nil, .null?: return nil
    case .string("blocks")?: return .blocks
    case let value?:
      throw EditFields.Mistake(
        "has as 'along' \(value), but it must be \"blocks\"; layers, heads and steps: sdlens visualize words")
    }
  }
}
