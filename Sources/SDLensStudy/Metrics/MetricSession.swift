import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensSparse

/// What is measured, and with what.
public struct MetricSettings: Sendable {
  /// Which features.
  public var features = FeatureChoice.random(100)
  /// Pictures of each feature, or prompts of a block; nil for what each metric takes.
  public var pictures: Int?
  /// Decides which features, pictures and pairs.
  public var seed: Seed = 42
  /// Folders or ids of CLIP (else the model's own), LPIPS and a sentence encoder, and a folder of pictures of textures.
  public var clip, lpips, sentences, textures: String?

  /// The usual ones.
  public init() {}
}

/// What measurements share: a model, dictionaries, pictures that were recorded, and what compares them.
public final class MetricSession {
  /// What is measured.
  public let settings: MetricSettings
  /// Who is told how far it is.
  public let progress: any MetricProgress
  /// Where what is made is kept.
  let workspace: Workspace
  /// The model.
  public let model: ModelFolder
  /// The dictionary of each block that is measured.
  public let dictionaries: [BlockName: DictionaryFolder]
  /// Pictures with and without edits.
  public let archive: PictureArchive
  /// What makes them.
  public var laboratory: Laboratory { archive.laboratory }
  /// What compares pictures and texts; nil where it is missing.
  public let clip: CLIP?
  /// How alike pictures look; nil where it is missing.
  public let lpips: LPIPS?
  /// What compares sentences; nil for CLIP's texts.
  public let sentences: SentenceEncoder?
  /// Pictures of textures; none unless they are named.
  public let textures: [String]
  /// The store that dictionaries are looked at with; nil when there is none.
  public let store: ActivationStore?
  /// Whether it holds the recorded pictures: the numbers of those of another one mean nothing here.
  let isStoreOfRecorded: Bool
  /// The pictures that stand for the data: those of the first dictionary that tells.
  public let recorded: RecordedPictures?
  /// What the results are of.
  public let sources: Provenance
  /// What decides the results.
  public let key: [String: String]
  let clipCache: EmbeddingCache?
  let sentenceCache: EmbeddingCache?
  var embedded: [Int: [Float]] = [:]
  var captionTable: [BlockName: [Int: String]] = [:]
  /// The captions that a rule made, as nobody has written any.
  public internal(set) var madeCaptions: [BlockName: [Int: String]] = [:]
  /// A few kilobytes for each picture that was looked at.
  var encoded: [BlockName: [Int: Codes]] = [:]
  var opened: [BlockName: (StoredActivations, [Int: Int])] = [:]
  /// Recorded pictures that stand for all of them in baselines: few enough to be made quickly.
  public private(set) lazy var pool: [Int] = sample(of: 200, "pool")

  /// Makes ready.
  ///
  /// - Parameters:
  ///   - workspace: where pictures and embeddings are kept.
  ///   - say: told what is wrong with files of embeddings.
  /// - Throws: `UnknownFeature`, `NoTextures`, and what is wrong with any of the folders.
  public init(
    _ model: ModelFolder, dictionaries: [BlockName: DictionaryFolder], store: ActivationStore?,
    recorded: RecordedPictures?, settings: MetricSettings, workspace: String, progress: any MetricProgress,
    say: @escaping @Sendable (String) -> Void
  ) throws {
    (self.model, self.dictionaries, self.settings, self.progress) = (model, dictionaries, settings, progress)
    (self.store, self.recorded, self.workspace) = (store, recorded, Workspace(workspace))
    // Those of another model are made again.
    isStoreOfRecorded =
      try store?.manifest.fingerprint == recorded?.manifest.fingerprint
      && (store == nil || store?.manifest.modelFingerprint == model.fingerprint().description)
    try settings.features.check(dictionaries)
    let blocks = dictionaries.keys.sorted()
    sources = try Provenance(
      model,
      dictionaries: blocks.compactMap { block in
        try dictionaries[block].map { try .init($0, of: block, on: model) }
      },
      store: store, recorded: recorded)
    archive = try PictureArchive(
      Laboratory(model, dictionaries: dictionaries), folder: Workspace(workspace).madePictures)
    progress.stage("reading what compares pictures")
    let own = "\(model.path)/clip"
    let clipFolder =
      try settings.clip.map { try PerceptionModel.clip.folder($0) }
      ?? (FileManager.default.fileExists(atPath: own) ? own : nil)
    let clip = try clipFolder.map { try CLIP(folder: $0) }
    let sentences = try settings.sentences.map { name in
      try SentenceEncoder(folder: PerceptionModel.sentences.folder(name))
    }
    let lpips = try settings.lpips.map { try LPIPS(folder: PerceptionModel.lpips.folder($0)) }
    let textures = try settings.textures.map(Self.pictures) ?? []
    (self.clip, self.lpips, self.sentences, self.textures) = (clip, lpips, sentences, textures)
    func cache(_ fingerprint: Fingerprint, _ width: Int) throws -> EmbeddingCache {
      try EmbeddingCache(folder: "\(workspace)/embeddings", model: fingerprint, width: width, say: say)
    }
    clipCache = try clip.map { try cache($0.fingerprint, $0.width) }
    sentenceCache = try sentences.map { try cache($0.fingerprint, $0.width) }
    var key = sources.settings
    (key["features"], key["seed"]) = (settings.features.description, "\(settings.seed)")
    key["pictures"] = settings.pictures.map { "\($0)" }
    key["clip"] = clip?.fingerprint.description
    key["lpips"] = lpips?.fingerprint.description
    if !textures.isEmpty {
      var fingerprint = Fingerprint()
      for path in textures { try fingerprint.add(path, as: path) }
      key["textures"] = fingerprint.description
    }
    key["sentences"] = sentences?.fingerprint.description
    let captions = blocks.flatMap { block in
      (dictionaries[block]?.captions ?? [:]).sorted { $0.key < $1.key }.map { "\(block) \($0) \($1)\n" }
    }
    if !captions.isEmpty {
      var fingerprint = Fingerprint()
      for line in captions { fingerprint.add(line.utf8) }
      key["captions"] = fingerprint.description
    }
    key["recorded"] = try recorded?.manifest.fingerprint
    self.key = key
  }

  /// The PNG files of a folder, in order.
  private static func pictures(in folder: String) throws -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let found = names.filter { $0.lowercased().hasSuffix(".png") }.sorted().map { "\(folder)/\($0)" }
    guard !found.isEmpty else { throw NoTextures(folder: folder) }
    return found
  }

  /// The blocks that are measured.
  public var blocks: [BlockName] { dictionaries.keys.sorted() }

  /// A generator for one purpose, so that purposes do not shift each other.
  public func random(_ purpose: String) -> PCG64 {
    var fingerprint = Fingerprint()
    fingerprint.add("\(settings.seed) \(purpose)".utf8)
    return PCG64(seed: fingerprint.value)
  }

  /// The features that are measured, in order.
  public func features(of block: BlockName) -> [Int] {
    dictionaries[block].map { settings.features.features(of: $0, random("features")) } ?? []
  }

  /// The numbers of all recorded pictures.
  public var numbers: [Int] { recorded?.prompts.keys.sorted() ?? [] }

  /// So many of the recorded pictures, at random.
  public func sample(of count: Int, _ purpose: String) -> [Int] {
    var random = random(purpose)
    return draw(count, of: numbers, &random)
  }

  /// So many of some numbers, at random.
  public func draw(_ count: Int, of numbers: [Int], _ random: inout PCG64) -> [Int] {
    random.permutation(numbers.count).prefix(count).map { numbers[$0] }
  }

  /// Whether runs of recorded pictures can be made again where the store lacks them: not those of other programs, whose
  /// seeds nobody knows, nor of residual streams and heads.
  var isMadeAgain: Bool {
    recorded.map { $0.manifest.origin == nil && $0.manifest.site == "update" } ?? false
  }

  // MARK: What is lacking

  /// Why something that a metric needs is not there for a block, and how to have it; nil where nothing lacks.
  public func obstacle(to needs: Set<MetricNeed>, at block: BlockName) throws -> String? {
    guard let dictionary = dictionaries[block] else { return "there is no dictionary" }
    return try MetricNeed.allCases.lazy.filter(needs.contains).compactMap { need in
      try self.lack(of: need, block, dictionary)
    }.first
  }

  private func lack(of need: MetricNeed, _ block: BlockName, _ dictionary: DictionaryFolder) throws -> String?
  {
    let measure = "measure it with: sdlens statistics --sae '\(dictionary.path)' --store …"
    return switch need {
    case .clip: clip == nil ? "CLIP is missing; name its folder with --clip" : nil
    case .examples: dictionary.examples == nil ? "nobody knows where features are active; \(measure)" : nil
    case .weakExamples:
      dictionary.examples.map { examples in (0..<examples.features).allSatisfy(examples.isWhole) } ?? true
        ? nil : "of each feature only the strongest pictures are known; \(measure)"
    case .recorded:
      recorded == nil ? "no pictures are recorded; make a store with: sdlens collect --block \(block)" : nil
    case .store:
      isMadeAgain || store != nil && isStoreOfRecorded && store?.manifest.places == nil
        ? nil : "a store with all places is missing; make one with: sdlens collect --block \(block)"
    case .captions:
      try captions(of: block).isEmpty
        ? "'\(dictionary.path)' has no \(FeatureCaptions.fileName) with captions of features" : nil
    case .means:
      dictionary.means == nil
        ? "the mean activations are not known; measure them with: sdlens statistics --sae '\(dictionary.path)' --store …"
        : nil
    case .statistics:
      dictionary.statistics == nil ? "nobody knows how often features are active; \(measure)" : nil
    case .steps:
      dictionary.examples.map { $0.mapShape[0] < 2 } ?? true
        ? "the data are of one denoising step; record more with: sdlens collect --steps 4" : nil
    }
  }
}

/// A folder without pictures.
public struct NoTextures: UserError {
  let folder: String
  /// The folder, and what is to lie there.
  public var description: String {
    "'\(folder)' is to have pictures of textures, but no PNG lies there; name a folder of PNG files with --textures"
  }
}
