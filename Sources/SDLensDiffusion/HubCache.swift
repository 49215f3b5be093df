import Foundation

/// The folder in which Hugging Face's own tools keep what they download.
public struct HubCache: Sendable {
  /// Where it lies, whether it is there or not.
  public let path: String

  /// The folder that the environment names: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in the user's caches.
  public init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    func value(_ key: String) -> String? { environment[key].flatMap { $0.isEmpty ? nil : $0 } }
    if let cache = value("HF_HUB_CACHE") {
      path = cache
    } else if let home = value("HF_HOME") {
      path = home + "/hub"
    } else {
      let caches = value("XDG_CACHE_HOME") ?? (value("HOME") ?? NSHomeDirectory()) + "/.cache"
      path = caches + "/huggingface/hub"
    }
  }

  /// Whether a text can be the name of a model: `owner/name`.
  public static func isName(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let allowed = { (c: Character) in c.isASCII && (c.isLetter || c.isNumber || "._-".contains(c)) }
    return parts.count == 2
      && parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && $0.allSatisfy(allowed) }
  }

  /// The folder of a model as it was last downloaded; nil when it was not.
  public func snapshot(of name: String) -> String? {
    let folder = "\(path)/models--\(name.replacingOccurrences(of: "/", with: "--"))"
    guard let revision = try? String(contentsOfFile: folder + "/refs/main", encoding: .utf8) else {
      return nil
    }
    let hash = revision.trimmingCharacters(in: .whitespacesAndNewlines)
    let snapshot = "\(folder)/snapshots/\(hash)"
    guard !hash.isEmpty, hash.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }),
      FileManager.default.fileExists(atPath: snapshot)
    else { return nil }
    return snapshot
  }
}
