import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Finds recorded activations of a model.
public struct StoreLookup {
  /// The model that must have made them.
  public let model: ModelFolder
  /// Where they lie unless they are named.
  public let workspace: Workspace
  /// Whether one that is named may be of another model, which is said.
  public let acrossModels: Bool
  /// Told of every choice among several, and of what is passed over.
  public let note: (String) -> Void

  /// Looks in a workspace.
  public init(
    _ model: ModelFolder, in workspace: Workspace, acrossModels: Bool = false,
    note: @escaping (String) -> Void
  ) {
    (self.model, self.workspace, self.acrossModels, self.note) = (model, workspace, acrossModels, note)
  }

  /// A store that somebody names: one of the workspace, or a folder.
  ///
  /// - Throws: `StoreOfAnotherModel`, and the errors of `ActivationStore`.
  public func named(_ name: String) throws -> ActivationStore {
    let store = try ActivationStore(workspace.path(ofStore: name))
    try check(store)
    return store
  }

  /// The best store of a site (the model's updates) that has all the blocks: a whole one, and of these the one with the most
  /// vectors; of equal ones the first by name. Nil when there is none.
  ///
  /// - Parameter steps: the denoising steps that it must have, from 0.
  /// - Throws: `DamagedShard` where nothing but damage keeps one that fits from being taken.
  public func best(
    of blocks: [BlockName], site: String = "update", atSteps steps: [Int] = []
  ) throws -> ActivationStore? {
    let fingerprint = try model.fingerprint().description
    let wanted = Set(blocks.map(\.description))
    let present = open { manifest in
      manifest.modelFingerprint == fingerprint && manifest.site == site
        && wanted.isSubset(of: manifest.blocks.map(\.name))
        && Set(steps).isSubset(of: manifest.vectorSteps.steps)
    }
    let fitting = present.filter { $0.pictures > 0 }
    guard let best = fitting.max(by: { Self.size($0, wanted) < Self.size($1, wanted) }) else {
      if let shard = present.lazy.compactMap(\.damaged.first).first { throw shard.toBeMadeAgain }
      return nil
    }
    if fitting.count > 1 {
      let others = fitting.filter { $0.folder != best.folder }.map(Self.describe)
      note(
        "Taking the store \(Self.describe(best)), the largest of \(fitting.count) (--store takes another: "
          + "\(others.joined(separator: ", ")))")
    }
    return best
  }

  /// The one that is named, else the best that fits.
  ///
  /// - Throws: `NoStore`, and as `named`.
  public func find(
    _ name: String?, of blocks: [BlockName], site: String = "update", atSteps steps: [Int] = []
  ) throws -> ActivationStore {
    if let name { return try named(name) }
    if let store = try best(of: blocks, site: site, atSteps: steps) { return store }
    throw NoStore(
      model: model.title, blocks: blocks, site: site, steps: steps, workspace: workspace.folder)
  }

  /// The store in which some pictures were recorded, of whose vectors those of the same steps count; nil when it is no longer
  /// there.
  public func store(of pictures: RecordedPictures) throws -> ActivationStore? {
    let wanted = pictures.manifest
    let store = open { manifest in
      var own = manifest
      own.atSteps = wanted.atSteps
      return own == wanted
        && Set(wanted.vectorSteps.steps).isSubset(of: manifest.vectorSteps.steps)
    }.first
    return try store?.at(wanted.atSteps)
  }

  /// Checks that the model recorded a store.
  ///
  /// - Throws: `StoreOfAnotherModel`.
  public func check(_ store: ActivationStore) throws {
    let fingerprint = try model.fingerprint().description
    guard store.manifest.modelFingerprint != fingerprint else { return }
    let theirs = "\(store.manifest.model) \(store.manifest.modelFingerprint)"
    guard acrossModels else {
      throw StoreOfAnotherModel(
        store: store.folder, found: theirs, needed: "\(model.title) \(fingerprint)")
    }
    note(
      "'\(store.folder)' was recorded with the model \(theirs); its prompts and seeds are run on \(model.title) \(fingerprint)"
    )
  }

  /// The stores of the workspace that fit by their manifests; one that cannot be read stops nothing, but is said.
  private func open(where fits: (ActivationManifest) -> Bool) -> [ActivationStore] {
    Workspace.names(in: workspace.activations).compactMap { name in
      let folder = "\(workspace.activations)/\(name)"
      do {
        return fits(try ActivationManifest(storeAt: folder)) ? try ActivationStore(folder) : nil
      } catch is NoActivationStore {
        return nil
      } catch {
        note("Passed over: \(error)")
        return nil
      }
    }
  }

  /// What makes one store better than another.
  private static func size(
    _ store: ActivationStore, _ blocks: Set<String>
  ) -> (whole: Int, vectors: Int, name: String) {
    let rows = store.manifest.blocks.filter { blocks.contains($0.name) }.map(store.manifest.rows)
    let vectors = rows.reduce(0, +) * store.pictures
    // Of equal ones the first by name: compared from its end backwards.
    return (store.missing.isEmpty ? 1 : 0, vectors, String(store.folder.reversed()))
  }

  /// As in `'small' (20 pictures)`.
  private static func describe(_ store: ActivationStore) -> String {
    let name = (store.folder as NSString).lastPathComponent
    return "'\(name)' (\(store.pictures) pictures\(store.missing.isEmpty ? "" : ", not whole"))"
  }
}

/// Nothing recorded that fits.
public struct NoStore: UserError {
  let model: String
  let blocks: [BlockName]
  let site: String
  let steps: [Int]
  let workspace: String
  /// What is missing, and the command that makes it.
  public var description: String {
    let names = blocks.map(\.description)
    // Heads have the number of their layer behind a point.
    let parts = site.split(separator: ".")
    let option = parts.count == 2 ? " --site \(parts[0]) --layer \(parts[1])" : " --site \(site)"
    let isUpdate = site == "update"
    let list = steps.map(String.init)
    let at = steps.isEmpty ? "" : " at step \(list.joined(separator: ", "))"
    let stepOptions = steps.isEmpty ? "" : " --steps … --at-step \(list.joined(separator: " "))"
    return
      "'\(workspace)' has no store of the \(isUpdate ? "updates" : site)\(at) of \(names.joined(separator: ", ")) of the model "
      + "\(model); make one with: sdlens collect --block \(names.joined(separator: " "))\(isUpdate ? "" : option)\(stepOptions)"
  }
}

/// A store that another model filled.
public struct StoreOfAnotherModel: UserError {
  let store: String
  let found: String
  let needed: String
  /// The store and the two models.
  public var description: String {
    "'\(store)' was recorded with the model \(found), but the model is \(needed); name the right one with "
      + "--model, or collect again"
  }
}
