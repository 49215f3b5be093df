import Foundation
import SDLensCore
import SDLensDiffusion

/// Where the folder of a model of perception lies that the command line names.
public enum PerceptionModel: String, Sendable {
  case clip
  case lpips
  case sentences

  /// A folder, or a Hugging Face id in the local cache.
  ///
  /// - Throws: `PerceptionModelNotFound` with what to do.
  public func folder(
    _ name: String, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> String {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) {
      guard isFolder.boolValue else { throw PerceptionModelNotFound(name: name, model: self, place: .file) }
      return name
    }
    guard let hub = HubName(name) else {
      throw PerceptionModelNotFound(name: name, model: self, place: .nowhere)
    }
    let cache = HubCache(environment)
    guard let snapshot = cache.snapshot(of: name) else {
      throw PerceptionModelNotFound(name: name, model: self, place: .notIn(cache, hub))
    }
    return snapshot
  }

  /// What the folder is and where one comes from.
  fileprivate var needed: String {
    switch self {
    case .clip: "a folder in transformers layout or a Hugging Face id such as openai/clip-vit-large-patch14"
    case .lpips: "a folder made by Scripts/export_lpips.py"
    case .sentences:
      "a folder in transformers layout or a Hugging Face id such as sentence-transformers/all-MiniLM-L6-v2"
    }
  }
}

/// No model of perception of that name.
public struct PerceptionModelNotFound: UserError {
  enum Place {
    case file
    case nowhere
    case notIn(HubCache, HubName)
  }
  let name: String
  let model: PerceptionModel
  let place: Place

  /// What was looked for and what to do.
  public var description: String {
    let needed = "--\(model.rawValue) takes \(model.needed)"
    return switch place {
    case .file: "'\(name)' is a file; \(needed)"
    case .nowhere: "there is no folder '\(name)'; \(needed)"
    case .notIn(let cache, let hub):
      model == .lpips
        ? "'\(name)' is neither a folder nor in the local cache '\(cache.path)'; \(needed)"
        : HubDownload.encoder.missing(hub, in: cache)
    }
  }
}
