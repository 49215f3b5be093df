import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Dictionaries that lie outside of a workspace: in a folder or file, or in what was downloaded of a Hugging Face id.
struct DictionaryFiles {
  private let name: String
  private let path: String

  /// Finds what a name stands for: a path, or an id in the local cache, which may go on with a path in the repository.
  ///
  /// - Throws: `DictionaryNotCached`, `FileError`.
  init(_ name: String) throws {
    self.name = name
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let (repository, rest) = (
      parts.prefix(2).joined(separator: "/"), parts.dropFirst(2).joined(separator: "/")
    )
    guard !FileManager.default.fileExists(atPath: name), HubCache.isName(repository) else {
      path = name
      return
    }
    let cache = HubCache()
    guard let snapshot = cache.snapshot(of: repository) else {
      throw DictionaryNotCached(name: name, repository: repository, cache: cache.path)
    }
    path = rest.isEmpty ? snapshot : "\(snapshot)/\(rest)"
    guard FileManager.default.fileExists(atPath: path) else { throw FileError.missing(path: path) }
  }

  /// The dictionary at the path, or those below it whose folders name the blocks, as sdxl-unbox lays them out.
  ///
  /// - Parameter note: told of a choice among several.
  /// - Throws: `SeveralDictionaries`.
  func paths(of blocks: [BlockName], note: (String) -> Void) throws -> [String] {
    let folders = SavedAutoencoder.isCheckpoint(path) ? [] : Self.checkpoints(below: path)
    guard !folders.isEmpty else { return [path] }
    return try blocks.compactMap { block in
      let found = folders.filter { BlockName.named(inPath: $0) == block }
      guard found.count > 1 else { return found.first.map { "\(path)/\($0)" } }
      // The paper's own setting, where it is one of several.
      let usual = found.filter { $0.contains("_k10_hidden5120_") }
      guard usual.count == 1 else { throw SeveralDictionaries(name: name, block: block, found: found) }
      note(
        "'\(name)' has \(found.count) dictionaries of \(block); taking '\(usual[0])' (--sae \(name)/FOLDER takes another)"
      )
      return "\(path)/\(usual[0])"
    }
  }

  /// The folders of dictionaries below a folder, by their paths in it; two levels are looked at, and of the steps of
  /// a training, which sdxl-unbox keeps side by side, the last.
  private static func checkpoints(below folder: String) -> [String] {
    Workspace.names(in: folder).flatMap { name -> [String] in
      if SavedAutoencoder.isCheckpoint("\(folder)/\(name)") { return [name] }
      let inner = Workspace.names(in: "\(folder)/\(name)").filter {
        SavedAutoencoder.isCheckpoint("\(folder)/\(name)/\($0)")
      }
      let last = inner.contains("final") ? ["final"] : inner
      return last.map { "\(name)/\($0)" }
    }
  }
}

extension Workspace {
  /// The one dictionary that a name stands for: one of the workspace, one that comes with the program, a path, or a
  /// Hugging Face id in the local cache.
  ///
  /// - Parameters:
  ///   - block: which of several dictionaries of that name.
  ///   - note: told of a choice among several.
  /// - Throws: `NotOneDictionary`, and as `DictionaryFiles`.
  public func path(ofDictionary name: String, _ block: BlockName?, note: (String) -> Void) throws -> String {
    let blocks = block.map { [$0] } ?? BlockName.all
    var found = FileManager.default.fileExists(atPath: name) ? [] : paths(ofDictionaries: name, blocks)
    if found.isEmpty { found = try DictionaryFiles(name).paths(of: blocks, note: note) }
    guard found.count == 1 else {
      throw NotOneDictionary(
        name: name, block: block,
        found: blocks.filter { block in
          found.contains { BlockName.named(inPath: $0) == block || $0.contains("/\(block)/") }
        })
    }
    return found[0]
  }
}

/// A name of dictionaries of several blocks, or of none of the block that is asked for.
struct NotOneDictionary: UserError {
  let name: String
  let block: BlockName?
  let found: [BlockName]
  var description: String {
    found.isEmpty
      ? "'\(name)' has no dictionary of \(block?.description ?? "a block"); name another with --sae or --block"
      : "'\(name)' has dictionaries of \(found.map(\.description).joined(separator: ", ")); choose one with --block"
  }
}

/// A repository that was not downloaded.
public struct DictionaryNotCached: UserError {
  let name: String
  let repository: String
  let cache: String
  /// What was looked for, and the command that brings it.
  public var description: String {
    "'\(name)' is no dictionary in the workspace, no folder, and not in the local cache '\(cache)'; if it is a Hugging "
      + "Face id, download it with: hf download \(repository)"
  }
}

/// More than one dictionary of a block, and nothing that says which.
public struct SeveralDictionaries: UserError {
  let name: String
  let block: BlockName
  let found: [String]
  /// The dictionaries.
  public var description: String {
    "'\(name)' has \(found.count) dictionaries of \(block); name one of them with --sae, as in \(name)/\(found[0]): "
      + found.joined(separator: ", ")
  }
}
