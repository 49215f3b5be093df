import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// What measurements share: a model, dictionaries, pictures that were recorded, and what compares them.
final class EvalSession {
  let options: EvalOptions
  /// Which features are measured.
  let choice: FeatureChoice
  let progress: Progress
  let folder: ModelFolder
  let dictionaries: [BlockName: DictionaryFolder]
  let archive: PictureArchive
  let clip: CLIP?
  let lpips: LPIPS?
  let sentences: SentenceEncoder?
  /// Pictures of textures; none unless they are named.
  let textures: [String]
  /// The store that dictionaries are looked at with; nil when there is none.
  let store: ActivationStore?
  /// The pictures that stand for the data: those of the first dictionary that tells.
  let recorded: RecordedPictures?
  /// What decides the results.
  let settings: [String: String]
  private let clipCache: EmbeddingCache?
  private let sentenceCache: EmbeddingCache?
  private var embedded: [Int: [Float]] = [:]
  private var captionTable: [BlockName: [Int: String]] = [:]

  init(_ options: EvalOptions, _ choice: FeatureChoice, _ progress: Progress) throws {
    (self.options, self.choice, self.progress) = (options, choice, progress)
    folder = try options.model.folder()
    let (measured, workspace) = (options.measured, options.workspace)
    let dictionaries = try measured.sae.dictionaries(
      named: measured.block, model: folder, in: workspace, progress)
    self.dictionaries = dictionaries
    for (block, dictionary) in dictionaries.sorted(by: { $0.key < $1.key }) {
      if case .list(let list) = choice, let most = list.max(), most >= dictionary.autoencoder.features {
        throw UnknownFeature(block: block, feature: most, count: dictionary.autoencoder.features)
      }
    }
    let blocks = dictionaries.keys.sorted()
    let lookup = StoreLookup(folder, in: workspace.place) { progress.note($0) }
    let pictures = blocks.compactMap { dictionaries[$0]?.pictures }.first
    let store =
      try options.store.map(lookup.named) ?? pictures.flatMap(lookup.store(of:)) ?? lookup.best(of: blocks)
    self.store = store
    recorded = try pictures ?? store.map { try RecordedPictures($0) }
    archive = try PictureArchive(
      folder, dictionaries: dictionaries.mapValues { BlockDictionary($0.autoencoder, means: $0.means) },
      folder: "\(workspace.folder)/pictures/cache")

    progress.stage("reading what compares pictures")
    let engine = folder.engine
    let own = "\(folder.path)/clip"
    let clipFolder =
      try options.clip.map { try PerceptionModel.clip.folder($0) }
      ?? (FileManager.default.fileExists(atPath: own) ? own : nil)
    let clip = try clipFolder.map { try CLIP(folder: $0, engine: engine) }
    let sentences = try options.sentences.map { name in
      try SentenceEncoder(folder: PerceptionModel.sentences.folder(name), engine: engine)
    }
    lpips = try options.lpips.map {
      try LPIPS(folder: PerceptionModel.lpips.folder($0), engine: engine)
    }
    (self.clip, self.sentences) = (clip, sentences)
    let textures = try options.textures.map(Self.pictures) ?? []
    self.textures = textures
    let isQuiet = options.quiet.quiet
    func cache(_ fingerprint: Fingerprint, _ width: Int) throws -> EmbeddingCache {
      try EmbeddingCache(folder: "\(workspace.folder)/embeddings", model: fingerprint, width: width) { text in
        if !isQuiet { FileHandle.standardError.write(Data((text + "\n").utf8)) }
      }
    }
    clipCache = try clip.map { try cache($0.fingerprint, $0.width) }
    sentenceCache = try sentences.map { try cache($0.fingerprint, $0.width) }
    var settings: [String: String] = [
      "model": try folder.fingerprint().description, "features": choice.description,
      "seed": "\(options.seed)",
      "dictionaries": blocks.map {
        "\($0) \(dictionaries[$0]?.autoencoder.contentFingerprint.description ?? "")"
      }
      .joined(separator: ", "),
    ]
    settings["pictures"] = options.pictures.map { "\($0)" }
    settings["clip"] = clip?.fingerprint.description
    settings["lpips"] = lpips?.fingerprint.description
    if !textures.isEmpty {
      var fingerprint = Fingerprint()
      for path in textures { try fingerprint.add(path, as: path) }
      settings["textures"] = fingerprint.description
    }
    settings["sentences"] = sentences?.fingerprint.description
    settings["store"] = try store?.manifest.fingerprint
    settings["recorded"] = try recorded?.manifest.fingerprint
    self.settings = settings
  }

  /// The PNG files of a folder, in order.
  private static func pictures(in folder: String) throws -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let found = names.filter { $0.lowercased().hasSuffix(".png") }.sorted().map { "\(folder)/\($0)" }
    guard !found.isEmpty else { throw NoTextures(folder: folder) }
    return found
  }

  /// The blocks that are measured.
  var blocks: [BlockName] { dictionaries.keys.sorted() }

  /// A generator for one purpose, so that purposes do not shift each other.
  func random(_ purpose: String) -> PCG64 {
    var fingerprint = Fingerprint()
    fingerprint.add("\(options.seed) \(purpose)".utf8)
    return PCG64(seed: fingerprint.value)
  }

  /// The features that are measured, in order.
  func features(of block: BlockName) -> [Int] {
    guard let dictionary = dictionaries[block] else { return [] }
    let count = dictionary.autoencoder.features
    switch choice {
    case .list(let list): return Set(list).sorted()
    case .all: return Array(0..<count)
    case .random(let wanted):
      let alive = (0..<count).filter { feature in
        if let examples = dictionary.examples { return examples.count(of: feature) > 0 }
        return dictionary.means.map { $0[feature] > 0 } ?? true
      }
      var random = random("features")
      return random.permutation(alive.count).prefix(wanted).map { alive[$0] }.sorted()
    }
  }

  // MARK: Pictures

  /// A picture of the recorded data.
  func picture(_ number: Int) throws -> Picture {
    guard let recorded, let picture = try archive.picture(number, of: recorded, in: store) else {
      throw NothingRecorded(path: dictionaries.values.first?.path ?? "")
    }
    return picture
  }

  /// The numbers of all recorded pictures.
  var numbers: [Int] { recorded?.prompts.keys.sorted() ?? [] }

  /// Recorded pictures that stand for all of them in baselines: few enough to be made quickly.
  private(set) lazy var pool: [Int] = {
    let numbers = numbers
    var random = random("pool")
    return random.permutation(numbers.count).prefix(200).map { numbers[$0] }
  }()

  /// Embeddings of recorded pictures, [numbers, width].
  func embeddings(ofPictures numbers: [Int]) throws -> Tensor {
    let missing = numbers.filter { embedded[$0] == nil }
    if !missing.isEmpty {
      let found = try embeddings(of: try missing.map { try picture($0) })
      for (row, number) in missing.enumerated() { embedded[number] = found.rows(row..<row + 1).elements }
    }
    return Tensor(numbers.flatMap { embedded[$0] ?? [] }, [numbers.count, needed(clip).width])
  }

  /// Embeddings of pictures, [pictures, width].
  func embeddings(of pictures: [Picture]) throws -> Tensor {
    try needed(clip).embeddings(of: pictures, cache: clipCache)
  }

  /// Embeddings of texts, [texts, width], in the space of pictures.
  func embeddings(of texts: [String]) throws -> Tensor {
    try needed(clip).embeddings(of: texts, cache: clipCache)
  }

  /// Embeddings of sentences among each other: of the sentence encoder, or of CLIP's texts without one.
  func sentenceEmbeddings(of texts: [String]) throws -> Tensor {
    try sentences?.embeddings(of: texts, cache: sentenceCache) ?? embeddings(of: texts)
  }

  private func needed(_ clip: CLIP?) -> CLIP {
    guard let clip else { preconditionFailure("metrics that need CLIP are left out without it") }
    return clip
  }

  /// The picture of a feature alone, on the empty prompt (paper, eq. 11); nil for a feature that is dead.
  func emptyContextPicture(of feature: Int, at block: BlockName) throws -> Picture? {
    guard let mean = dictionaries[block]?.means?[feature], mean > 0 else { return nil }
    let edits = try EditList([Edit(.emptyContext(feature: feature, gamma: 1), at: block)])
    return try archive.picture(.init("", try ownSettings(options.seed), edits: edits))
  }

  /// The settings of a run of our own, like those of the recorded pictures.
  func ownSettings(_ seed: Int) throws -> RunSettings {
    guard let recorded else {
      let size = try folder.pictureSize
      return try RunSettings(seed: seed, height: size, width: size)
    }
    var settings = try PictureArchive.settings(of: numbers.first ?? 0, in: recorded)
    settings.seed = seed
    return settings
  }

  // MARK: Maps

  /// The map of a feature over one of the pictures in which it is active, in the last step, row by row; nil when
  /// it was not kept and there is no store to look it up in.
  func map(of feature: Int, at block: BlockName, rank: Int, picture: Int) throws -> [Float]? {
    guard let dictionary = dictionaries[block], let examples = dictionary.examples else { return nil }
    let places = examples.mapShape[1] * examples.mapShape[2]
    if let map = examples.map(of: feature, rank: rank) { return Array(map.suffix(places)) }
    return try codes(of: picture, at: block)?.map(of: feature)
  }

  /// The codes of a recorded picture in the last step; nil without a store that has it.
  func codes(of picture: Int, at block: BlockName) throws -> Codes? {
    if let found = encoded[block]?[picture] { return found }
    guard let dictionary = dictionaries[block], let rows = try rows(of: picture, at: block) else {
      return nil
    }
    let codes = dictionary.autoencoder.encode(rows)
    encoded[block, default: [:]][picture] = codes
    return codes
  }

  /// A few kilobytes for each picture that was looked at.
  private var encoded: [BlockName: [Int: Codes]] = [:]

  private var opened: [BlockName: (StoredActivations, [Int: Int])] = [:]

  /// The updates of a recorded picture in the last step, [places, width].
  func rows(of picture: Int, at block: BlockName) throws -> Tensor? {
    guard let store, store.manifest.places == nil else { return nil }
    if opened[block] == nil {
      let places = Dictionary(uniqueKeysWithValues: store.pictureNumbers.enumerated().map { ($1, $0) })
      opened[block] = (try store.activations(of: "\(block)"), places)
    }
    guard let (activations, places) = opened[block], let place = places[picture] else { return nil }
    let count = activations.block.mapHeight * activations.block.mapWidth
    return activations.rows(ofPicture: place).rows(
      activations.rowsPerPicture - count..<activations.rowsPerPicture)
  }

  // MARK: Captions

  /// What the features of a block mean; on `shapes` the phrase nearest to a feature's pictures, written down.
  func captions(of block: BlockName) throws -> [Int: String] {
    if let found = captionTable[block] { return found }
    guard let dictionary = dictionaries[block] else { return [:] }
    var captions = dictionary.captions
    let missing = features(of: block).filter { captions[$0] == nil }
    if let examples = dictionary.examples, clip != nil, folder.title == ModelFolder.embedded, !missing.isEmpty
    {
      let texts = UnitVectors(try embeddings(of: ShapesPhrases.all))
      for feature in missing {
        let sample = Specificity.sample(of: feature, in: examples, seed: options.seed)
        let pictures = try embeddings(ofPictures: sample.map(\.example.picture))
        if let nearest = ShapesPhrases.nearest(to: pictures, among: texts) {
          captions[feature] = ShapesPhrases.all[nearest]
        }
      }
      try FeatureCaptions.write(captions, to: "\(dictionary.path)/\(FeatureCaptions.fileName)")
      progress.note(
        "'\(dictionary.path)/\(FeatureCaptions.fileName)' now has captions of \(captions.count) features")
    }
    captionTable[block] = captions
    return captions
  }
}

/// A feature that a dictionary does not have.
struct UnknownFeature: UserError {
  let block: BlockName
  let feature: Int
  let count: Int
  var description: String {
    "there is no feature \(feature) in the dictionary of \(block), which has the features 0 to \(count - 1); choose "
      + "others with --features"
  }
}

/// A folder without pictures.
struct NoTextures: UserError {
  let folder: String
  var description: String {
    "'\(folder)' is to have pictures of textures, but no PNG lies there; name a folder of PNG files with --textures"
  }
}

/// A dictionary that does not know pictures.
struct NothingRecorded: UserError {
  let path: String
  var description: String {
    "nothing tells on which pictures '\(path)' was measured; do so with: sdlens statistics --sae '\(path)' --store …"
  }
}
