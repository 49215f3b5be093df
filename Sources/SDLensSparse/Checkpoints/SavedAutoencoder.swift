import Foundation
import SDLensCore

/// An autoencoder with what is known about it, as it is kept on disk.
public struct SavedAutoencoder: Sendable {
  /// The dictionary.
  public var autoencoder: SparseAutoencoder
  /// The block whose vectors it decomposes, by its short name: `down.2.1`.
  public var block: String?
  /// What of the block: `update`, `residual`, `heads`.
  public var site: String?
  /// The model, by name.
  public var model: String?
  /// The fingerprint of the model.
  public var modelFingerprint: String?
  /// The denoising steps whose vectors it learned from; nil where nobody knows, or where there was one.
  public var steps: VectorSteps?
  /// How many vectors were seen since each feature was last active; sdxl-unbox counts training steps, see there.
  public var lastActive: [Int64]?
  /// The mean of the positive activations of each feature, `μ_ρ`, [features].
  public var mean: Tensor?
  /// Their standard deviation, [features].
  public var deviation: Tensor?
  /// The mean number of active features of a vector, where thresholds decide it and somebody has counted.
  public var l0: Double?
  /// Its number among the dictionaries of its block in a workspace: the one trained last has the largest.
  public var order: Int?
  /// Whether its parameters are numbers of half precision, and our own format keeps them as such.
  public private(set) var isHalf = false
  /// What it must compute; nil until it is saved.
  var parity: ParityCase?
  /// Anything else.
  public var metadata: [String: String] = [:]
  /// What reading has changed, in sentences for whoever reads along; not written.
  public var notes: [String] = []

  /// An autoencoder of which nothing else is known yet.
  public init(_ autoencoder: SparseAutoencoder) { self.autoencoder = autoencoder }

  /// The same with every parameter rounded to half precision; our own format keeps it in half the room.
  ///
  /// - Throws: `BeyondFormat`.
  public func half() throws -> SavedAutoencoder {
    var result = self
    for (index, item) in autoencoder.parameters.list.enumerated() {
      // Refuses what half precision cannot hold.
      _ = try Safetensors.Item(half: item.tensor, item.name)
      result.autoencoder.parameters.update(index) { tensor in
        tensor.withMutableElements { for place in $0.indices { $0[place] = Float(Float16($0[place])) } }
      }
    }
    (result.isHalf, result.parity) = (true, nil)
    return result
  }

  /// A format that can be written.
  public enum Format: String, CaseIterable, Sendable {
    case sdlens
    case sdxlUnbox = "sdxl-unbox"
    case saelens
    case sparsify

    var layout: any WritableLayout.Type {
      switch self {
      case .sdlens: OwnLayout.self
      case .sdxlUnbox: UnboxLayout.self
      case .saelens: SAELensLayout.self
      case .sparsify: SparsifyLayout.self
      }
    }
  }

  /// All formats that are read.
  private static var layouts: [any CheckpointLayout.Type] {
    Format.allCases.map(\.layout) + [DictionaryLearningLayout.self]
  }

  /// Its k, for a format that has nothing else.
  ///
  /// - Throws: `ThresholdsBeyondFormat`.
  func k(for layout: any WritableLayout.Type) throws -> Int {
    guard let k = autoencoder.k else { throw ThresholdsBeyondFormat(format: layout.name) }
    return k
  }

  /// Reads an autoencoder of any known format from its folder, or from a file of it.
  ///
  /// - Throws: `FileError` when nothing is there, `UnknownCheckpoint` when it is of no known format, and what is
  ///   wrong with its files.
  public static func read(_ path: String) throws -> SavedAutoencoder {
    let (layout, folder) = try find(path)
    return try layout.read(folder)
  }

  /// Whether a folder holds the files of a known format.
  public static func isCheckpoint(_ folder: String) -> Bool {
    layouts.contains { layout in
      layout.files.allSatisfy { FileManager.default.fileExists(atPath: "\(folder)/\($0)") }
    }
  }

  /// The name of the format of what lies at `path`.
  public static func formatName(at path: String) throws -> String { try find(path).layout.name }

  /// Writes the folder, which must not exist or be empty, whole or not at all.
  public func write(to folder: String, as format: Format) throws {
    try AtomicFolder.write(to: folder) { try format.layout.write(self, to: $0) }
  }

  /// Writes the files of our own format into a folder that is there and may hold others.
  ///
  /// `sae.json` comes last: a folder that has it is complete.
  public func write(into folder: String) throws { try OwnLayout.write(self, to: folder) }

  private static func find(_ path: String) throws -> (layout: any CheckpointLayout.Type, folder: String) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw FileError.missing(path: path)
    }
    // A file stands for its folder. (Foundation's own functions trap on a path of one letter.)
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let name = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
    let folder = isFolder.boolValue ? path : slash.map { String(path[...$0]) } ?? "."
    let found = layouts.filter { layout in
      layout.files.allSatisfy { FileManager.default.fileExists(atPath: folder + "/" + $0) }
        && (isFolder.boolValue || layout.files.contains(name))
    }
    guard found.count == 1 else {
      throw UnknownCheckpoint(
        path: path, found: found.map { $0.name }, known: layouts.map { ($0.name, $0.files) })
    }
    return (found[0], folder)
  }
}

/// One way to lay a dictionary out in files.
protocol CheckpointLayout {
  /// Its name on the command line.
  static var name: String { get }
  /// The files by which a folder of it is known.
  static var files: [String] { get }
  static func read(_ folder: String) throws -> SavedAutoencoder
}

/// A layout that can be written without loss.
protocol WritableLayout: CheckpointLayout {
  /// Makes the files in a folder that is there.
  static func write(_ saved: SavedAutoencoder, to folder: String) throws
}

/// A dictionary of thresholds for a format that has no place for them.
public struct ThresholdsBeyondFormat: UserError {
  let format: String
  /// The format, and those that have.
  public var description: String {
    "the features of the dictionary are active above thresholds, for which the format \(format) has no place; write it as "
      + "sdlens or saelens"
  }
}

/// A folder or file of no known format, or of two.
public struct UnknownCheckpoint: UserError {
  let path: String
  let found: [String]
  let known: [(name: String, files: [String])]

  /// What was looked for.
  public var description: String {
    guard found.isEmpty else {
      return "'\(path)' holds dictionaries of several formats (\(found.joined(separator: ", "))); "
        + "keep each in a folder of its own"
    }
    let known = known.map { "\($0.files.joined(separator: " and ")) (\($0.name))" }
    return "'\(path)' holds no dictionary of a known format: looked for " + known.joined(separator: ", ")
  }
}

extension ConfigFile {
  /// The number of active features, which may not be more than there are.
  func k(features: Int) throws -> Int {
    let k = try int("k")
    guard k <= features else {
      throw BadConfigValue(
        path: path, key: "k", found: self["k"], needed: "at most \(features), as many features as there are")
    }
    return k
  }

  /// The mean number of active features, which may be absent.
  func l0() throws -> Double? {
    guard let found = self["l0"] else { return nil }
    guard let value = found.number, value >= 0 else {
      throw BadConfigValue(path: path, key: "l0", found: found, needed: "a number from 0 on")
    }
    return value
  }

  /// A text that may be absent.
  func text(_ key: String) throws -> String? { self[key] == nil ? nil : try string(key) }

  /// Texts under a key that may be absent.
  func texts(_ key: String) throws -> [String: String] {
    guard let value = self[key] else { return [:] }
    guard case .object(let members) = value else {
      throw BadConfigValue(path: path, key: key, found: value, needed: "an object of texts")
    }
    return try members.mapValues {
      guard case .string(let text) = $0 else {
        throw BadConfigValue(path: path, key: key, found: $0, needed: "an object of texts")
      }
      return text
    }
  }
}

/// Writes a small JSON file with sorted keys in snake case.
func writeJSON(_ value: some Encodable, to path: String) throws {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  let bytes = Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
  try AtomicFile.write(to: path, byteCount: bytes.count) { try $0.append(bytes) }
}
