import Foundation
import SDLensCore

/// A dictionary and what is known of its features, in a folder.
///
/// `sae.json` and `sae.safetensors`, or the files of any other format that is read, are the dictionary itself.
/// Beside them may lie `statistics.safetensors`, `examples.safetensors`, and what the two were made of:
/// `activations.json`, the manifest of the store, and `pictures.jsonl`, its prompts. Dictionaries of several blocks,
/// `BLOCK/NAME`, may share these two, which then lie beside the folders of the blocks.
public struct DictionaryFolder: Sendable {
  /// Where it lies.
  public let path: String
  /// The dictionary.
  public let saved: SavedAutoencoder
  /// How its features behave; nil when that was not measured.
  public let statistics: FeatureStatistics?
  /// Where its features are active; nil when that was not measured.
  public let examples: FeatureExamples?
  /// The recorded pictures that both were measured on.
  public let pictures: RecordedPictures?

  /// All that anybody says of what features mean; empty when nobody has.
  public private(set) var allCaptions: FeatureCaptions
  /// What features mean, in words: of several captions of a feature the one that counts.
  public private(set) var captions: [Int: String]

  /// The dictionary itself.
  public var autoencoder: SparseAutoencoder { saved.autoencoder }

  /// Reads a folder, or a file of a dictionary.
  ///
  /// - Throws: what is wrong with any of its files.
  public init(_ path: String) throws {
    self.path = path
    saved = try SavedAutoencoder.read(path)
    let features = saved.autoencoder.features
    func present(_ name: String) -> String? {
      let file = "\(path)/\(name)"
      return FileManager.default.fileExists(atPath: file) ? file : nil
    }
    statistics = try present(FeatureStatistics.fileName).map {
      try FeatureStatistics(contentsOf: $0, features: features)
    }
    examples = try present(FeatureExamples.fileName).map {
      try FeatureExamples(contentsOf: $0, features: features)
    }
    allCaptions =
      try present(FeatureCaptions.fileName).map { try FeatureCaptions(contentsOf: $0, features: features) }
      ?? FeatureCaptions()
    captions = allCaptions.preferred
    pictures = try (examples == nil ? [path] : [path, "\(path)/../.."]).first {
      FileManager.default.fileExists(atPath: "\($0)/\(RecordedPictures.manifestName)")
    }.map { try RecordedPictures(in: $0) }
  }

  /// The same with the captions of another file too, if it is there; they count before those beside the dictionary, but
  /// for what people wrote.
  ///
  /// - Throws: what is wrong with the file.
  public func adding(captionsOf path: String) throws -> DictionaryFolder {
    var folder = self
    folder.allCaptions = try FeatureCaptions(
      contentsOf: ["\(self.path)/\(FeatureCaptions.fileName)", path], features: autoencoder.features)
    folder.captions = folder.allCaptions.preferred
    return folder
  }

  /// Whether the weights that were read lie there still.
  public var isAsRead: Bool { Self.holds(autoencoder, at: path) }

  private static func holds(_ autoencoder: SparseAutoencoder, at path: String) -> Bool {
    guard let found = try? SavedAutoencoder.read(path).autoencoder else { return false }
    return "\(found.contentFingerprint)" == "\(autoencoder.contentFingerprint)"
  }

  /// `μ_ρ` for every feature: measured, or as it came with the dictionary.
  public var means: Tensor? {
    statistics.map { Tensor($0.mean, [$0.mean.count]) } ?? saved.mean
  }

  /// How many features are active in a vector: k, or where thresholds decide the mean number, as measured or as it came
  /// with the dictionary; nil when nobody knows.
  public var l0: Double? { autoencoder.k.map(Double.init) ?? statistics?.l0 ?? saved.l0 }

  /// Writes files of a dictionary's folder, all of them at once: whoever reads it, and whatever is interrupted, finds the
  /// old ones or the new ones. What else lies there stays.
  ///
  /// - Parameters:
  ///   - autoencoder: the weights that must lie there; nil for any, or none.
  ///   - fill: writes them into the folder it is given, where the old ones lie, by replacing them.
  /// - Throws: `DictionaryExchanged`, `FileError`, and the errors of `fill`.
  public static func change(
    _ path: String, of autoencoder: SparseAutoencoder? = nil, _ fill: (_ folder: String) throws -> Void
  ) throws {
    try AtomicFolder.makeAll(path)
    try FolderTurn.take(in: path) {
      guard autoencoder.map({ holds($0, at: path) }) ?? true else { throw DictionaryExchanged(path: path) }
      try AtomicFolder.write(to: path, replacing: true) { folder in
        for name in try FileManager.default.contentsOfDirectory(atPath: path)
        where !AtomicFile.isUnfinished(name) {
          let (from, to) = ("\(path)/\(name)", "\(folder)/\(name)")
          if link(from, to) != 0 { try FileManager.default.copyItem(atPath: from, toPath: to) }
        }
        try fill(folder)
      }
    }
  }

  /// Writes what an evaluation found beside a dictionary.
  ///
  /// - Parameter isCompact: whether the examples are those of `FeatureExamples.compact`.
  public static func write(
    _ evaluation: DictionaryEvaluation, of store: ActivationStore, to folder: String, isCompact: Bool = false
  ) throws {
    try evaluation.statistics.write(to: "\(folder)/\(FeatureStatistics.fileName)")
    let examples = isCompact ? evaluation.examples.compact : evaluation.examples
    try examples.write(to: "\(folder)/\(FeatureExamples.fileName)")
    try RecordedPictures(store).write(to: folder)
  }
}

/// A dictionary in whose place another one was put meanwhile.
public struct DictionaryExchanged: UserError {
  let path: String
  /// The folder, and what to do.
  public var description: String {
    "'\(path)' has other weights than when it was read, so nothing was written there; run the same command again"
  }
}

/// The pictures of a store, so that each can be made again: prompts, and the settings of their runs.
public struct RecordedPictures: Sendable {
  static let manifestName = "activations.json"
  private static let listName = "pictures.jsonl"

  /// How they were made; the seed of picture i is `manifest.seed + i`.
  public let manifest: ActivationManifest
  /// The prompt of each picture, by its number.
  public let prompts: [Int: String]

  private struct Line: Codable {
    let picture: Int
    let prompt: String
  }

  /// Those of a store.
  public init(_ store: ActivationStore) throws {
    manifest = store.manifest
    prompts = Dictionary(uniqueKeysWithValues: zip(store.pictureNumbers, try store.prompts()))
  }

  /// Those that are told in the folder of a dictionary.
  ///
  /// - Throws: `FileError`, `MalformedFile`.
  init(in folder: String) throws {
    manifest = try ActivationManifest(contentsOf: "\(folder)/\(Self.manifestName)")
    let path = "\(folder)/\(Self.listName)"
    var prompts: [Int: String] = [:]
    for (index, line) in try TextFile(path).lines.enumerated() where !line.isBlank {
      guard let line = try? JSON.decode(Line.self, from: Data(line.utf8)),
        0..<manifest.pictures ~= line.picture
      else { throw MalformedFile(path: path, reason: "line \(index + 1) is no picture and prompt") }
      prompts[line.picture] = line.prompt
    }
    self.prompts = prompts
  }

  /// The seed of a picture.
  ///
  /// - Throws: `NoSeeds` when another program made the pictures.
  public func seed(of picture: Int) throws -> Seed {
    if let origin = manifest.origin { throw NoSeeds(origin: origin) }
    return manifest.seed + picture
  }

  fileprivate func write(to folder: String) throws {
    var text: [UInt8] = []
    for picture in prompts.keys.sorted() {
      text += try JSON.line(Line(picture: picture, prompt: prompts[picture]!)) + [UInt8(ascii: "\n")]
    }
    try AtomicFile.write(to: "\(folder)/\(Self.listName)") { try $0.append(text) }
    try JSON.write(manifest, to: "\(folder)/\(Self.manifestName)")
  }
}

/// Pictures that no seed makes again.
public struct NoSeeds: UserError {
  let origin: String
  /// Who made them, and what to do.
  public var description: String {
    "the recorded pictures were made by \(origin), whose noise no seed of one picture gives, so they cannot be made "
      + "again; give a --prompt, or measure the dictionary on activations of 'sdlens collect' with: sdlens statistics"
  }
}
