import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import Synchronization

/// The dictionaries that can be chosen; those that are not taken at the start are read when somebody asks for them.
final class Shelf: Sendable {
  /// Of every block that has some, the names; the first is taken unless another is chosen.
  let names: [BlockName: [String]]
  private let paths: [BlockName: [String: String]]
  private let workspace: Workspace
  private let opened: Mutex<[BlockName: [String: DictionaryIndex]]>

  /// Takes the dictionaries that are there, and finds others of the same blocks.
  ///
  /// - Throws: as `DictionaryLookup.choices`.
  init(_ laboratory: Laboratory, in workspace: Workspace) throws {
    let lookup = DictionaryLookup(laboratory.model, in: workspace) { _ in }
    var names: [BlockName: [String]] = [:]
    var paths: [BlockName: [String: String]] = [:]
    var opened: [BlockName: [String: DictionaryIndex]] = [:]
    for (block, folder) in laboratory.dictionaries {
      func full(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
      let name = folder.identity.name
      names[block] = [name]
      opened[block] = [name: DictionaryIndex(folder)]
      for (name, path) in try lookup.choices(of: block) where full(path) != full(folder.path) {
        let isTaken = names[block]?.contains(name) == true
        let own = isTaken ? "\(name) (\(URL(fileURLWithPath: path).deletingLastPathComponent().path))" : name
        names[block]?.append(own)
        paths[block, default: [:]][own] = path
      }
    }
    (self.names, self.paths, self.workspace) = (names, paths, workspace)
    self.opened = Mutex(opened)
  }

  /// What is known of one of a block's dictionaries; without a name, of the one that is usually taken.
  ///
  /// - Throws: `Refusal`, and what is wrong with its files.
  func index(of block: BlockName, _ name: String? = nil) throws -> DictionaryIndex {
    guard let names = names[block] else {
      throw Refusal(
        404, "there is no dictionary of \(block); train one with: sdlens train-sae --block \(block)")
    }
    let name = name ?? names[0]
    return try opened.withLock { opened in
      if let found = opened[block]?[name] { return found }
      guard let path = paths[block]?[name] else {
        throw Refusal(
          404, "\(block) has no dictionary '\(name.prefix(100))'; it has: \(names.joined(separator: ", "))")
      }
      let made = DictionaryIndex(try workspace.dictionary(path))
      opened[block]?[name] = made
      return made
    }
  }

  /// A dictionary for every block: those named, else those that are usually taken.
  ///
  /// - Throws: as `index(of:_:)`.
  func choice(_ chosen: [BlockName: String] = [:]) throws -> Choice {
    for block in chosen.keys { _ = try index(of: block) }
    return Choice(
      indexes: try Dictionary(uniqueKeysWithValues: names.keys.map { ($0, try index(of: $0, chosen[$0])) }),
      isUsual: chosen.allSatisfy { names[$0]?.first == $1 })
  }

  /// A dictionary for every block.
  struct Choice {
    let indexes: [BlockName: DictionaryIndex]
    /// Whether all are those that are taken unless others are chosen.
    let isUsual: Bool

    var folders: [BlockName: DictionaryFolder] { indexes.mapValues(\.folder) }
    /// By block, in the order of the forward pass.
    var sorted: [(key: BlockName, value: DictionaryIndex)] { indexes.sorted { $0.key < $1.key } }

    /// What is known of the dictionary of a block that is named in a request.
    ///
    /// - Throws: `Refusal`, what is wrong with the name.
    func index(of name: String) throws -> (BlockName, DictionaryIndex) {
      let block = try BlockName(name)
      guard let index = indexes[block] else {
        throw Refusal(
          404, "there is no dictionary of \(block); train one with: sdlens train-sae --block \(block)")
      }
      return (block, index)
    }

    /// The block and the feature of a request.
    ///
    /// - Throws: `EditFields.Mistake`, `Refusal`, `NoSuchFeature`.
    func place(_ fields: inout EditFields) throws -> (block: BlockName, feature: Int, DictionaryIndex) {
      let (block, index) = try index(of: fields.string("block"))
      let feature = try fields.int("feature")
      let folder = index.folder
      guard 0..<folder.autoencoder.features ~= feature else {
        throw NoSuchFeature(feature: feature, count: folder.autoencoder.features, path: folder.path)
      }
      return (block, feature, index)
    }
  }
}

extension EditFields {
  /// The dictionaries that a request names by their blocks.
  ///
  /// - Throws: `EditFields.Mistake`, what is wrong with a block's name.
  mutating func dictionaries() throws -> [BlockName: String] {
    guard let value = optional("dictionaries"), value != .null else { return [:] }
    guard case .object(let members) = value, members.count <= BlockName.all.count else {
      throw EditFields.Mistake(
        "has as 'dictionaries' \(value), but it must be names by blocks, as {\"up.0.1\": \"k10-n256\"}")
    }
    var names: [BlockName: String] = [:]
    for (block, name) in members {
      guard case .string(let name) = name else {
        throw EditFields.Mistake("has as the dictionary of '\(block)' \(name), but it must be a name")
      }
      names[try BlockName(block)] = name
    }
    return names
  }
}
