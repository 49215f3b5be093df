import Foundation

/// The folder in which Hugging Face's own tools keep what they download.
public struct HubCache: Sendable {
  /// Where it lies, whether it is there or not.
  public let path: String

  /// What is there of a model.
  enum Finding: Equatable {
    /// The folder of the revision that was asked for.
    case snapshot(String)
    case nothing
    /// Other revisions than that asked for, or several where none was asked for.
    case others([String])
  }

  /// The folder that the environment names, as huggingface_hub reads it: `HF_HUB_CACHE`, else
  /// `HUGGINGFACE_HUB_CACHE`, else `hub` in `HF_HOME`, else in the user's caches; empty ones do not count.
  public init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    func value(_ key: String) -> String? { environment[key].flatMap { $0.isEmpty ? nil : $0 } }
    let caches = value("XDG_CACHE_HOME") ?? "~/.cache"
    let home = value("HF_HOME") ?? caches + "/huggingface"
    let named = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE")
    path = Self.expanded(named ?? Self.expanded(home, environment) + "/hub", environment)
  }

  /// A path with `~`, `~user`, `$NAME` and `${NAME}` replaced, as `os.path.expanduser` and `expandvars` of Python do.
  private static func expanded(_ path: String, _ environment: [String: String]) -> String {
    var path = path
    if path.hasPrefix("~") {
      let user = path.dropFirst().prefix { $0 != "/" }
      let home =
        user.isEmpty ? environment["HOME"] ?? NSHomeDirectory() : NSHomeDirectoryForUser(String(user))
      if let home {
        path = home.replacing(#/\/+$/#, with: "") + path.dropFirst(1 + user.count)
        if path.isEmpty { path = "/" }
      }
    }
    return path.replacing(#/\$(?:\{([^}]*)\}|(\w+))/#.asciiOnlyWordCharacters()) { match in
      environment[String(match.1 ?? match.2 ?? "")] ?? String(match.0)
    }
  }

  /// Whether a text can be the name of a model: `owner/name`, or `owner/name@revision`.
  public static func isName(_ name: String) -> Bool { HubName(name) != nil }

  /// The folder of a model: of the revision in its name, or as it was last downloaded; nil when it was not.
  public func snapshot(of name: String) -> String? {
    guard let name = HubName(name), case .snapshot(let path) = find(name) else { return nil }
    return path
  }

  /// Looks for a model: the revision by a branch or tag that was downloaded, by the hash of a commit, or by a
  /// beginning of it that is like no other. Without a revision: `main`, else the only one that is there.
  func find(_ name: HubName) -> Finding {
    let folder = "\(path)/models--\(name.id.replacing("/", with: "--"))"
    let reference = "\(folder)/refs/\(name.revision ?? "main")"
    if let text = try? String(contentsOfFile: reference, encoding: .utf8) {
      let hash = text.trimmingCharacters(in: .whitespacesAndNewlines)
      let snapshot = "\(folder)/snapshots/\(hash)"
      guard !hash.isEmpty, hash.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }),
        FileManager.default.fileExists(atPath: snapshot)
      else { return .nothing }
      return .snapshot(snapshot)
    }
    let present = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/snapshots")) ?? []
    let revisions = present.filter { !$0.hasPrefix(".") }.sorted()
    let matching = revisions.filter { revision in
      guard let asked = name.revision else { return true }
      return revision == asked || asked.count >= 4 && revision.hasPrefix(asked.lowercased())
    }
    if matching.count == 1 { return .snapshot("\(folder)/snapshots/\(matching[0])") }
    return revisions.isEmpty ? .nothing : .others(matching.isEmpty ? revisions : matching)
  }
}

/// The name of a model on Hugging Face: `owner/name`, and after an `@` a branch, a tag or the hash of a commit.
public struct HubName: Sendable, Hashable {
  /// `owner/name`.
  public let id: String
  /// The branch, tag or commit; nil for `main`.
  public let revision: String?

  /// Reads a name; nil when the text is none.
  public init?(_ text: String) {
    let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let allowed = { (c: Character) in c.isASCII && (c.isLetter || c.isNumber || "._-+".contains(c)) }
    let parts = halves.map { $0.split(separator: "/", omittingEmptySubsequences: false) }
    guard parts[0].count == 2,
      parts.joined().allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && $0.allSatisfy(allowed) })
    else { return nil }
    id = halves[0]
    revision = halves.count == 2 ? halves[1] : nil
  }
}
