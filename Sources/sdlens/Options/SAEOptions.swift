import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Which dictionaries.
struct SAEOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Dictionaries, in any format that convert reads; a name means one in the workspace. (default: the newest of the "
        + "model and block)", valueName: "name|folder"))
  var sae: [String] = []

  /// The dictionary of each block.
  ///
  /// - Throws: `NoDictionary` when there is none for a block, `DictionaryOfAnother` when one is for another block or
  ///   model, and what is wrong with its files.
  func dictionaries(
    of blocks: [BlockName], model: ModelFolder, in workspace: WorkspaceOptions
  ) throws -> [BlockName: DictionaryFolder] {
    let fingerprint = try model.fingerprint().description
    let given = try sae.map { name in try open(name, blocks, workspace) }
    for each in given { each.saved.sayNotes() }
    return try Dictionary(
      uniqueKeysWithValues: blocks.map { block in
        // One that does not tell its block is for the only block asked for.
        if let found = given.first(where: { $0.saved.block.map { $0 == "\(block)" } ?? (blocks.count == 1) })
        {
          if let made = found.saved.modelFingerprint, made != fingerprint {
            throw DictionaryOfAnother(
              path: found.path, what: "model", found: "\(found.saved.model ?? "") \(made)",
              needed: "\(model.title) \(fingerprint)")
          }
          return (block, found)
        }
        if let other = given.first, sae.count == blocks.count {
          throw DictionaryOfAnother(
            path: other.path, what: "block", found: other.saved.block ?? "unknown", needed: "\(block)")
        }
        guard let newest = Self.newest(of: block, fingerprint, in: workspace) else {
          throw NoDictionary(block: block, model: model.title, workspace: workspace.folder)
        }
        return (block, try DictionaryFolder(newest))
      })
  }

  /// Those of the named blocks; without names, of those of the paper's four that have one.
  ///
  /// - Throws: `NoDictionary` when a named block, or each of the four, has none.
  func dictionaries(
    named blocks: [BlockName], model: ModelFolder, in workspace: WorkspaceOptions
  ) throws -> [BlockName: DictionaryFolder] {
    guard blocks.isEmpty else {
      return try dictionaries(of: Set(blocks).sorted(), model: model, in: workspace)
    }
    let fingerprint = try model.fingerprint().description
    let present = BlockName.studied.filter { Self.newest(of: $0, fingerprint, in: workspace) != nil }
    return try dictionaries(
      of: present.isEmpty || !sae.isEmpty ? BlockName.studied : present, model: model, in: workspace)
  }

  private func open(_ name: String, _ blocks: [BlockName], _ workspace: WorkspaceOptions) throws
    -> DictionaryFolder
  {
    if !name.contains("/"), !FileManager.default.fileExists(atPath: name) {
      let paths = blocks.map { "\(workspace.dictionaries(of: $0))/\(name)" }
      if let path = paths.first(where: FileManager.default.fileExists) { return try DictionaryFolder(path) }
    }
    return try DictionaryFolder(name)
  }

  /// The folder of the newest whole dictionary of a block and model.
  private static func newest(of block: BlockName, _ fingerprint: String, in workspace: WorkspaceOptions)
    -> String?
  {
    let folder = workspace.dictionaries(of: block)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let dated = names.compactMap { name -> (path: String, date: Date)? in
      let path = "\(folder)/\(name)"
      guard let config = try? ConfigFile("\(path)/sae.json"),
        (try? config.string("model_fingerprint", default: fingerprint)) == fingerprint,
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(path)/sae.json"),
        let date = attributes[.modificationDate] as? Date
      else { return nil }
      return (path, date)
    }
    return dated.max { ($0.date, $0.path) < ($1.date, $1.path) }?.path
  }
}

/// No dictionary for a block.
struct NoDictionary: UserError {
  let block: BlockName
  let model: String
  let workspace: String
  var description: String {
    "there is no dictionary of \(block) for the model \(model) in '\(workspace)'; train one with: "
      + "sdlens train-sae --block \(block)"
  }
}

/// A dictionary for something else.
struct DictionaryOfAnother: UserError {
  let path: String
  let what: String
  let found: String
  let needed: String
  var description: String {
    "the dictionary '\(path)' is of the \(what) \(found), but \(needed) is needed; choose another with --sae"
  }
}
