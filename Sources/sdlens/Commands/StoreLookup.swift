import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Finds recorded activations of a model.
struct StoreLookup {
  let model: ModelFolder
  let workspace: WorkspaceOptions
  let progress: Progress

  /// A store that somebody names.
  ///
  /// - Throws: `StoreOfAnotherModel`, and the errors of `ActivationStore`.
  func named(_ name: String) throws -> ActivationStore {
    let store = try ActivationStore(workspace.path(ofStore: name))
    try check(store)
    return store
  }

  /// The newest whole store of the model's updates that has all the blocks.
  func newest(of blocks: [BlockName]) throws -> ActivationStore? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: workspace.activations)) ?? []
    let fingerprint = try model.fingerprint().description
    let stores = names.sorted().compactMap { name -> ActivationStore? in
      do {
        let folder = "\(workspace.activations)/\(name)"
        let manifest = try ActivationManifest(storeAt: folder)
        guard manifest.modelFingerprint == fingerprint, manifest.site == "update",
          Set(blocks.map(\.description)).isSubset(of: manifest.blocks.map(\.name))
        else { return nil }
        let store = try ActivationStore(folder)
        return store.missing.isEmpty ? store : nil
      } catch is NoActivationStore {
        return nil
      } catch {
        progress.note("Passed over: \(error)")
        return nil
      }
    }
    func date(_ store: ActivationStore) -> Date {
      let path = "\(store.folder)/manifest.json"
      return (try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
        ?? .distantPast
    }
    return stores.max { date($0) < date($1) }
  }

  /// The one that is named, else the newest that fits.
  ///
  /// - Throws: `NoStore`, and as `named`.
  func find(_ name: String?, of blocks: [BlockName]) throws -> ActivationStore {
    if let name { return try named(name) }
    guard let store = try newest(of: blocks) else {
      throw NoStore(model: model.title, blocks: blocks, workspace: workspace.folder)
    }
    return store
  }

  /// Checks that the model recorded a store.
  func check(_ store: ActivationStore) throws {
    let fingerprint = try model.fingerprint().description
    guard store.manifest.modelFingerprint == fingerprint else {
      throw StoreOfAnotherModel(
        store: store.folder, found: "\(store.manifest.model) \(store.manifest.modelFingerprint)",
        needed: "\(model.title) \(fingerprint)")
    }
  }
}

/// Nothing recorded that fits.
struct NoStore: UserError {
  let model: String
  let blocks: [BlockName]
  let workspace: String
  var description: String {
    let names = blocks.map(\.description)
    return
      "'\(workspace)' has no whole store of the updates of \(names.joined(separator: ", ")) of the model \(model); "
      + "make one with: sdlens collect --block \(names.joined(separator: " "))"
  }
}

/// A store that another model filled.
struct StoreOfAnotherModel: UserError {
  let store: String
  let found: String
  let needed: String
  var description: String {
    "'\(store)' was recorded with the model \(found), but the model is \(needed); name the right one with "
      + "--model, or collect again"
  }
}
