import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Finds the dictionaries of blocks of a model.
public struct DictionaryLookup {
  /// The model that they must be of.
  public let model: ModelFolder
  /// Where they lie unless they are named.
  public let workspace: Workspace
  /// What of a block their vectors must be.
  public let site: String
  /// Whether dictionaries that are named may be of other models, which is said.
  public let acrossModels: Bool
  /// Whether they may be of the model with its own sampler, where another was chosen.
  public let acrossSamplers: Bool
  /// Told of every choice among several.
  public let note: (String) -> Void

  /// Looks in a workspace.
  public init(
    _ model: ModelFolder, in workspace: Workspace, site: String = "update", acrossModels: Bool = false,
    acrossSamplers: Bool = false, note: @escaping (String) -> Void
  ) {
    (self.model, self.workspace, self.site, self.note) = (model, workspace, site, note)
    (self.acrossModels, self.acrossSamplers) = (acrossModels, acrossSamplers)
  }

  /// The dictionary of each block: of those named the one that is of the block, else the one of the workspace that
  /// was trained last, else the one that comes with the model.
  ///
  /// - Parameter names: names in the workspace or of what comes with the model, folders or files, or Hugging Face ids in
  ///   the local cache.
  /// - Throws: `NoDictionary` when there is none for a block, `DictionaryOfAnother` when one is for another block or
  ///   model, and what is wrong with its files.
  public func dictionaries(of blocks: [BlockName], named names: [String]) throws -> [BlockName:
    DictionaryFolder]
  {
    try model.check(blocks)
    let given = try names.flatMap { try open($0, blocks) }
    for note in given.flatMap(\.dictionary.saved.notes) { self.note(note) }
    var embedded: [(block: BlockName, name: String)] = []
    defer { say(embedded) }
    return try Dictionary(
      uniqueKeysWithValues: blocks.map { block in
        // One that does not tell its block is for the only block asked for.
        if let found = given.first(where: { $0.block.map { $0 == "\(block)" } ?? (blocks.count == 1) })?
          .dictionary
        {
          if let made = found.saved.modelFingerprint, try !isOfModel(made) {
            let theirs = "\(found.saved.model ?? "") \(made)"
            let own = "\(model.title) \(try model.fingerprint())"
            guard acrossModels else {
              throw DictionaryOfAnother(
                path: found.path, what: "model", found: theirs, needed: own)
            }
            note(
              "The dictionary '\(found.identity.name)' of \(block) is of the model \(theirs), and used on \(own)"
            )
          }
          if let own = found.saved.site, own != site {
            throw DictionaryOfAnother(path: found.path, what: "site", found: own, needed: site)
          }
          return (block, found)
        }
        if let other = given.first, names.count == blocks.count {
          throw DictionaryOfAnother(
            path: other.dictionary.path, what: "block", found: other.block ?? "unknown", needed: "\(block)")
        }
        let present = try trained(of: block)
        guard let last = present.last else {
          if let found = try embeddedOnes(of: block).last {
            embedded.append((block, found.name))
            return (block, try workspace.dictionary(found.path))
          }
          throw NoDictionary(block: block, model: model.title, workspace: workspace.folder)
        }
        if present.count > 1 {
          note(
            "\(block) has \(present.count) dictionaries; taking '\(last.name)', the one trained last (--sae takes "
              + "another: \(present.dropLast().reversed().map(\.name).joined(separator: ", ")))")
        }
        return (block, try workspace.dictionary(last.path))
      })
  }

  /// Those of the blocks given; without any, of those of the paper's four that have one.
  ///
  /// - Throws: `NoDictionary` when a block given, or each of the four, has none.
  public func dictionaries(ofSome blocks: [BlockName], named names: [String]) throws
    -> [BlockName: DictionaryFolder]
  {
    guard blocks.isEmpty else { return try dictionaries(of: Set(blocks).sorted(), named: names) }
    let present = try BlockName.studied.filter {
      try !trained(of: $0).isEmpty || !embeddedOnes(of: $0).isEmpty
    }
    return try dictionaries(
      of: present.isEmpty || !names.isEmpty ? BlockName.studied : present, named: names)
  }

  /// All that there are of a block, those of the workspace first, in each place the newest first.
  ///
  /// - Throws: as `dictionaries`.
  public func choices(of block: BlockName) throws -> [(name: String, path: String)] {
    let own = try trained(of: block)
    let found = try own.reversed() + embeddedOnes(of: block).reversed()
    return found.map { ($0.name, $0.path) }
  }

  /// Every dictionary that is meant: all that are named, or the newest of each block.
  ///
  /// - Throws: as `dictionaries`.
  func all(of blocks: [BlockName], named names: [String]) throws
    -> [(block: BlockName, name: String, folder: DictionaryFolder)]
  {
    func sorted(_ found: [BlockName: DictionaryFolder]) -> [(BlockName, String, DictionaryFolder)] {
      found.sorted { $0.key < $1.key }.map { block, folder in
        (block, URL(fileURLWithPath: folder.path).lastPathComponent, folder)
      }
    }
    guard !names.isEmpty else { return sorted(try dictionaries(ofSome: blocks, named: [])) }
    return try names.flatMap { name in
      var (found, problem): ([BlockName: DictionaryFolder], (any Error)?) = ([:], nil)
      for block in blocks.isEmpty ? BlockName.all : Set(blocks).sorted() {
        do {
          found.merge(try dictionaries(of: [block], named: [name])) { $1 }
        } catch { problem = problem ?? error }
      }
      // A name may mean one dictionary in each block; one that fits nowhere is an error.
      if found.isEmpty, let problem { throw problem }
      return sorted(found)
    }
  }

  /// Those that one measurement can take: all were measured on the same pictures, those of the workspace first.
  ///
  /// - Parameter isNamed: whether somebody asked for these blocks; otherwise others are left out, which is said.
  /// - Throws: `MeasuredApart`.
  public func together(_ found: [BlockName: DictionaryFolder], isNamed: Bool) throws -> [BlockName:
    DictionaryFolder]
  {
    func isEmbedded(_ folder: DictionaryFolder) -> Int { folder.path.hasPrefix(model.dictionaries) ? 1 : 0 }
    let telling = found.filter { $0.value.pictures != nil }
      .sorted { (isEmbedded($0.value), $0.key) < (isEmbedded($1.value), $1.key) }
    let fingerprints = try telling.map { try $0.value.pictures?.manifest.fingerprint }
    let apart = zip(telling, fingerprints).filter { $1 != fingerprints[0] }.map(\.0)
    guard let other = apart.first else { return found }
    guard !isNamed else {
      throw MeasuredApart(
        first: (telling[0].key, telling[0].value.path), other: (other.key, other.value.path))
    }
    let names = apart.map { "\($0.key) '\($0.value.identity.name)'" }.sorted().joined(separator: ", ")
    note("Left out, as measured on other pictures than \(telling[0].key): \(names) (--block measures them)")
    return found.filter { block, _ in !apart.contains { $0.key == block } }
  }

  /// Says in one line which dictionaries of the model are taken.
  private func say(_ embedded: [(block: BlockName, name: String)]) {
    guard !embedded.isEmpty else { return }
    let names = Set(embedded.map(\.name)).sorted().map { "'\($0)'" }.joined(separator: " and ")
    note(
      "'\(workspace.folder)' has no dictionary of \(embedded.map(\.block.description).joined(separator: ", ")); taking "
        + "\(names), which comes with the model \(model.title) (train-sae makes one of your own)")
  }

  /// The number of a dictionary among those of its block; nil when there is none of that name.
  public static func order(of name: String, at block: BlockName, in workspace: Workspace) -> Int? {
    all(of: block, in: workspace).first { $0.name == name }?.order
  }

  /// The number by which the next dictionary of a block is known to be the newest.
  public static func nextOrder(of block: BlockName, in workspace: Workspace) -> Int {
    1 + (all(of: block, in: workspace).map(\.order).max() ?? 0)
  }

  /// A whole dictionary in the workspace, or of those that come with a model.
  struct Found {
    let name, path: String
    let order: Int
    let modelFingerprint, site: String?

    init(_ name: String, in folder: String) throws {
      (self.name, path) = (name, "\(folder)/\(name)")
      let config = try ConfigFile("\(path)/sae.json")
      order = (try? config.int("order", in: 0...1 << 40, default: 0)) ?? 0
      (modelFingerprint, site) = (try? config.string("model_fingerprint"), try? config.string("site"))
    }
  }

  /// The whole dictionaries of a block, oldest first: by the number that training gave them, never by the dates of
  /// files, which a copy changes.
  static func all(of block: BlockName, in workspace: Workspace) -> [Found] {
    let folder = workspace.dictionaries(of: block)
    return Workspace.names(in: folder).compactMap { try? Found($0, in: folder) }.sorted(by: Self.areInOrder)
  }

  /// Those that come with a model, and are of it as it is now; the last is the one to take.
  ///
  /// - Throws: what is wrong with a file: these are whole, or the installation is damaged.
  static func embedded(
    in model: ModelFolder, of block: BlockName, acrossSamplers: Bool = false
  ) throws -> [Found] {
    let all = try brought(by: model, of: block)
    return try all.filter { try $0.modelFingerprint.map { try isOf(model, $0, acrossSamplers) } ?? false }
  }

  private static func isOf(
    _ model: ModelFolder, _ fingerprint: String, _ acrossSamplers: Bool
  ) throws -> Bool {
    try acrossSamplers ? model.shares(fingerprint) : fingerprint == model.fingerprint().description
  }

  private func isOfModel(_ fingerprint: String) throws -> Bool {
    try Self.isOf(model, fingerprint, acrossSamplers)
  }

  /// Those that come with a model, of whatever model they are.
  private static func brought(by model: ModelFolder, of block: BlockName) throws -> [Found] {
    let folder = "\(model.dictionaries)/\(block)"
    return try Workspace.names(in: folder).map { try Found($0, in: folder) }.sorted(by: areInOrder)
  }

  private static func areInOrder(_ a: Found, _ b: Found) -> Bool { (a.order, a.name) < (b.order, b.name) }

  private func embeddedOnes(of block: BlockName) throws -> [Found] {
    try Self.embedded(in: model, of: block, acrossSamplers: acrossSamplers)
  }

  private func trained(of block: BlockName) throws -> [Found] {
    try Self.all(of: block, in: workspace).filter {
      try $0.modelFingerprint.map(isOfModel) ?? true && $0.site ?? site == site
    }
  }

  /// A dictionary that somebody named, and the block that it, or its folder, says it is of.
  private struct Given {
    let dictionary: DictionaryFolder
    let block: String?

    init(_ dictionary: DictionaryFolder) {
      self.dictionary = dictionary
      block = dictionary.saved.block ?? BlockName.named(inPath: dictionary.path)?.description
    }
  }

  private func given(_ path: String) throws -> Given { Given(try workspace.dictionary(path)) }

  /// What a name stands for: one dictionary, or of a folder or a repository of several those of the blocks.
  private func open(_ name: String, _ blocks: [BlockName]) throws -> [Given] {
    if !name.contains("/"), !FileManager.default.fileExists(atPath: name) {
      let paths = blocks.map { "\(workspace.dictionaries(of: $0))/\(name)" }
      let present = paths.filter(FileManager.default.fileExists)
      guard present.isEmpty else { return try present.map { try given($0) } }
      let embedded = try blocks.compactMap { block in
        try
          (acrossModels
          ? Self.brought(by: ModelFolder(ModelFolder.embedded), of: block)
          : embeddedOnes(of: block)).first { $0.name == name }
      }
      guard embedded.isEmpty else { return try embedded.map { try given($0.path) } }
    }
    return try DictionaryFiles(name).paths(of: blocks, note: note).map { try given($0) }
  }
}

/// No dictionary for a block.
public struct NoDictionary: UserError {
  let block: BlockName
  let model: String
  let workspace: String
  /// The block, and what to do.
  public var description: String {
    "there is no dictionary of \(block) for the model \(model) in '\(workspace)'; train one with: "
      + "sdlens train-sae --block \(block)"
  }
}

/// A dictionary for something else.
public struct DictionaryOfAnother: UserError {
  let path: String
  let what: String
  let found: String
  let needed: String
  /// The dictionary, what it is of, and what is needed.
  public var description: String {
    "the dictionary '\(path)' is of the \(what) \(found), but \(needed) is needed; choose another with --sae"
  }
}

/// Two dictionaries that know different pictures.
public struct MeasuredApart: UserError {
  let first, other: (block: BlockName, path: String)
  /// Both, and what to do.
  public var description: String {
    "the dictionary '\(other.path)' of \(other.block) was measured on other pictures than '\(first.path)' of "
      + "\(first.block), so that one measurement cannot take both; measure one block after the other, or both "
      + "dictionaries on one store with: sdlens statistics"
  }
}
