import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensShapes
import SDLensSparse

extension MetricSession {
  /// Whether the store kept the recorded pictures themselves.
  var keepsPictures: Bool {
    get throws {
      guard isStoreOfRecorded, let store, let number = numbers.first else { return false }
      return try store.image(ofPicture: number) != nil
    }
  }

  /// A picture of the recorded data.
  public func picture(_ number: Int) throws -> Picture {
    guard let recorded,
      let picture = try archive.picture(number, of: recorded, in: isStoreOfRecorded ? store : nil)
    else {
      throw NothingRecorded(path: dictionaries.values.first?.path ?? "")
    }
    return picture
  }

  /// Embeddings of recorded pictures, [numbers, width].
  public func embeddings(ofPictures numbers: [Int]) throws -> Tensor {
    let missing = numbers.filter { embedded[$0] == nil }
    if !missing.isEmpty {
      let found = try embeddings(of: try missing.map { try picture($0) })
      for (row, number) in missing.enumerated() { embedded[number] = found.rows(row..<row + 1).elements }
    }
    return Tensor(numbers.flatMap { embedded[$0] ?? [] }, [numbers.count, needed(clip).width])
  }

  /// Embeddings of pictures, [pictures, width].
  public func embeddings(of pictures: [Picture]) throws -> Tensor {
    try needed(clip).embeddings(of: pictures, cache: clipCache)
  }

  /// Embeddings of texts, [texts, width], in the space of pictures.
  public func embeddings(of texts: [String]) throws -> Tensor {
    try needed(clip).embeddings(of: texts, cache: clipCache)
  }

  /// Embeddings of sentences among each other: of the sentence encoder, or of CLIP's texts without one.
  public func sentenceEmbeddings(of texts: [String]) throws -> Tensor {
    try sentences?.embeddings(of: texts, cache: sentenceCache) ?? embeddings(of: texts)
  }

  private func needed(_ clip: CLIP?) -> CLIP {
    guard let clip else { preconditionFailure("metrics that need CLIP are left out without it") }
    return clip
  }

  /// The settings of a recorded picture's run, and its prompt; nil where nothing was recorded.
  public func run(of number: Int) throws -> (prompt: String, settings: RunSettings)? {
    try recorded.map { ($0.prompts[number] ?? "", try PictureArchive.settings(of: number, in: $0)) }
  }

  /// The picture of a feature alone, on the empty prompt (paper, eq. 11); nil for a feature that is dead.
  public func emptyContextPicture(of feature: Int, at block: BlockName) throws -> Picture? {
    guard let mean = dictionaries[block]?.means?[feature], mean > 0 else { return nil }
    let edits = try EditList([Edit(.emptyContext(feature: feature, gamma: 1), at: block)])
    return try archive.picture(.init("", try ownSettings(settings.seed), edits: edits))
  }

  /// The settings of a run of our own, like those of the recorded pictures.
  public func ownSettings(_ seed: Seed) throws -> RunSettings {
    guard let recorded else {
      let size = try model.pictureSize
      return try RunSettings(seed: seed, height: size, width: size)
    }
    var settings = try PictureArchive.settings(of: numbers.first ?? 0, in: recorded)
    settings.seed = seed
    return settings
  }

  // MARK: Maps

  /// Some of the pictures in which a feature is most active: of its top 5 %, as `Specificity` draws them.
  public func sample(of feature: Int, at block: BlockName, count: Int = Specificity.pictures) -> [(
    rank: Int, example: FeatureExamples.Example
  )] {
    guard let examples = dictionaries[block]?.examples else { return [] }
    return Specificity.sample(
      of: feature, in: examples, count: settings.pictures ?? count, seed: settings.seed)
  }

  /// The same with the feature's maps over them, those without left out.
  public func maps(of feature: Int, at block: BlockName, count: Int) throws -> [(number: Int, map: [Float])] {
    try sample(of: feature, at: block, count: count).compactMap { rank, example in
      try map(of: feature, at: block, rank: rank, picture: example.picture).map { (example.picture, $0) }
    }
  }

  /// The map of a feature over one of the pictures in which it is active, in the last step, row by row; nil when
  /// it was not kept and cannot be made again.
  public func map(of feature: Int, at block: BlockName, rank: Int, picture: Int) throws -> [Float]? {
    guard let dictionary = dictionaries[block], let examples = dictionary.examples else { return nil }
    let places = examples.mapShape[1] * examples.mapShape[2]
    if let map = examples.map(of: feature, rank: rank) { return Array(map.suffix(places)) }
    return try codes(of: picture, at: block)?.map(of: feature)
  }

  /// The codes of a recorded picture in the last step; nil where `rows` are.
  public func codes(of picture: Int, at block: BlockName) throws -> Codes? {
    if let found = encoded[block]?[picture] { return found }
    let stored = try storedRows(of: picture, at: block).map { [block: $0] }
    // A run is made once for all blocks.
    guard let rows = try stored ?? madeRows(of: picture) else { return nil }
    for (block, rows) in rows {
      encoded[block, default: [:]][picture] = dictionaries[block]?.autoencoder.encode(rows)
    }
    return encoded[block]?[picture]
  }

  /// Whether the store has the updates of a recorded picture.
  func isStored(_ picture: Int, at block: BlockName) throws -> Bool {
    try storedRows(of: picture, at: block) != nil
  }

  /// The updates of a recorded picture in the last step, [places, width]: of the store, else of its run, made again; nil
  /// when neither is possible.
  public func rows(of picture: Int, at block: BlockName) throws -> Tensor? {
    try storedRows(of: picture, at: block) ?? madeRows(of: picture)?[block]
  }

  private func storedRows(of picture: Int, at block: BlockName) throws -> Tensor? {
    guard let store, isStoreOfRecorded, store.manifest.places == nil else { return nil }
    if opened[block] == nil {
      let places = Dictionary(uniqueKeysWithValues: store.pictureNumbers.enumerated().map { ($1, $0) })
      opened[block] = (try store.activations(of: "\(block)"), places)
    }
    guard let (activations, places) = opened[block], let place = places[picture] else { return nil }
    let count = activations.block.mapHeight * activations.block.mapWidth
    return try activations.rows(ofPicture: place).rows(
      activations.rowsPerPicture - count..<activations.rowsPerPicture)
  }

  private func madeRows(of picture: Int) throws -> [BlockName: Tensor]? {
    guard isMadeAgain, recorded?.prompts[picture] != nil, let (prompt, settings) = try run(of: picture) else {
      return nil
    }
    let step = try recorded?.manifest.atSteps?.last ?? model.stepCount(settings.steps) - 1
    let run = try laboratory.run(prompt, settings, watching: blocks, atSteps: [step])
    return Dictionary(
      uniqueKeysWithValues: blocks.compactMap { block in
        run.update(of: block, step: step).map { (block, $0.reshaped([$0.rows, $0.width])) }
      })
  }

  // MARK: Captions

  /// What the features of a block mean; on `shapes`, where nobody has said it, the phrase nearest to a feature's
  /// pictures.
  public func captions(of block: BlockName) throws -> [Int: String] {
    if let found = captionTable[block] { return found }
    guard let dictionary = dictionaries[block] else { return [:] }
    var captions = dictionary.captions
    let missing = features(of: block).filter { captions[$0] == nil }
    if let examples = dictionary.examples, clip != nil, model.paintsShapes, !missing.isEmpty {
      let texts = UnitVectors(try embeddings(of: ShapesPhrases.all))
      for feature in missing {
        let sample = Specificity.sample(of: feature, in: examples, seed: settings.seed)
        let pictures = try embeddings(ofPictures: sample.map(\.example.picture))
        if let nearest = ShapesPhrases.nearest(to: pictures, among: texts) {
          captions[feature] = ShapesPhrases.all[nearest]
          madeCaptions[block, default: [:]][feature] = ShapesPhrases.all[nearest]
        }
      }
    }
    captionTable[block] = captions
    return captions
  }
}

/// A dictionary that does not know pictures.
public struct NothingRecorded: UserError {
  let path: String
  /// The dictionary, and what to do.
  public var description: String {
    "nothing tells on which pictures '\(path)' was measured; do so with: sdlens statistics --sae '\(path)' --store …"
  }
}
