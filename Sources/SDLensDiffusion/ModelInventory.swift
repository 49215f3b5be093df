import Foundation
import SDLensCore

extension ModelFolder {
  /// A model on this machine that `--model` could name.
  public struct Found: Sendable {
    /// What to write after `--model`.
    public let name: String
    /// Why it cannot be used; nil when it can.
    public let problem: String?
    /// Its summary, when it can be used.
    public let summary: ModelSummary?

    /// Looks at a model.
    public init(_ name: String, environment: [String: String]) {
      self.name = name
      do {
        summary = try ModelSummary(ModelFolder(name, environment: environment))
        problem = nil
      } catch {
        summary = nil
        problem = "\(error)"
      }
    }
  }

  /// The models on this machine: the embedded one, `$SDLENS_MODEL`, and those in Hugging Face's cache that are
  /// pipelines of a family that can be run.
  public static func found(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> [Found] {
    var names = [embedded]
    if let chosen = environment["SDLENS_MODEL"], !chosen.isEmpty { names.append(chosen) }
    let cached = (try? FileManager.default.contentsOfDirectory(atPath: HubCache(environment).path)) ?? []
    names += cached.sorted().filter { $0.hasPrefix("models--") }.compactMap { folder in
      let name = String(folder.dropFirst("models--".count).replacing("--", with: "/", maxReplacements: 1))
      guard let path = try? find(name, environment),
        let index = try? ConfigFile("\(path)/model_index.json"),
        (try? ModelFamily.named(in: index)) != nil
      else { return nil }
      return name
    }
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }.map { Found($0, environment: environment) }
  }
}
