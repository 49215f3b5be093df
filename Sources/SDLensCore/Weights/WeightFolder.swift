import Foundation

/// The folder of one part of a model, where its weights lie under one of the names diffusers gives them.
struct WeightFolder {
  let path: String
  /// `model`, in `model.safetensors`.
  let name: String

  /// The same weights in other formats, as diffusers names them, after the plain file.
  private static let variants = ["fp16", "fp32", "bf16"]

  /// The paths of the files, or of the indices of shards, that are there: the plain one before its variants. Where both are
  /// there, diffusers reads the shards, and transformers, which saves text encoders, the one file.
  ///
  /// - Throws: `WeightError` that lists what was looked for and what is there.
  func candidates() throws -> [String] {
    let plain = ["\(name).safetensors", "\(name).safetensors.index.json"]
    func ordered(_ names: [String]) -> [String] {
      name == "model" ? names : Array(names.dropFirst() + names.prefix(1))
    }
    let names =
      ordered(plain)
      + Self.variants.flatMap { variant in
        ordered([
          "\(name).\(variant).safetensors", "\(name).\(variant).safetensors.index.json",
          "\(name).safetensors.index.\(variant).json",
        ])
      }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw FileError.missing(path: path)
    }
    guard isFolder.boolValue else { throw WeightError.notFolder(path: path) }
    let present: [String]
    do {
      present = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      throw FileError.cannotRead(path: path, code: EACCES)
    }
    let found = names.filter(present.contains)
    guard !found.isEmpty else {
      throw WeightError.noFile(folder: path, wanted: plain, variants: Self.variants, present: present)
    }
    return found.map { path + "/" + $0 }
  }
}

/// The index of weights in several files: which tensor lies in which.
struct ShardIndex {
  let path: String
  /// The names of the shards, sorted.
  let files: [String]
  private let fileOf: [String: String]

  private struct Fields: Decodable {
    let weight_map: [String: String]
  }

  /// Reads an index, `{"weight_map": {"tensor": "file", …}, …}`.
  ///
  /// - Throws: `WeightError` when it is malformed or names a file outside its folder.
  init(contentsOf path: String) throws {
    self.path = path
    let file = try MappedFile(path: path)
    do {
      fileOf = try JSON.decode(Fields.self, from: file.withBytes { Data($0) }).weight_map
    } catch let problem as JSON.Problem {
      throw WeightError.badIndex(path: path, reason: problem.reason)
    }
    files = Set(fileOf.values).sorted()
    if let outside = files.first(where: { $0.contains("/") || $0.hasPrefix(".") || $0.isEmpty }) {
      throw WeightError.shardOutside(path: path, file: outside)
    }
    let folder = path.folderOfPath
    if let lost = files.first(where: { access(folder + "/" + $0, F_OK) != 0 }) {
      throw WeightError.noShard(path: path, file: lost)
    }
  }

  /// Checks that the shards (in the order of `files`) hold what the index says, and nothing else.
  func check(against shards: [Safetensors]) throws {
    for (name, file) in fileOf.sorted(by: { $0.key < $1.key }) {
      guard let shard = files.firstIndex(of: file), shards[shard].entry(name) != nil else {
        throw WeightError.notInShard(path: path, name: name, file: file)
      }
    }
    for (file, shard) in zip(files, shards) {
      if let extra = shard.names.first(where: { fileOf[$0] != file }) {
        throw WeightError.notInIndex(path: path, name: extra, file: file)
      }
    }
  }
}
