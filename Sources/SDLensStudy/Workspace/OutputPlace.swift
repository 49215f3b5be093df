import Foundation
import SDLensCore

/// Where results go: what another run made is neither replaced, but for a file that is named, nor mixed with.
public struct OutputPlace {
  /// The file or folder.
  public let path: String
  /// Whether there may be an earlier one, which goes.
  public let replaces: Bool

  /// A folder: the default name, with a number behind it where another run has taken that, or the one given.
  ///
  /// - Throws: `FolderOfAnotherRun` for a folder given that holds anything else than the same run.
  public init(folder given: String?, default name: String, of record: RunRecord, force: Bool) throws {
    func isSame(_ path: String) -> Bool { Self.run(in: path) == record.identity }
    guard let given else {
      path =
        force
        ? name : Workspace.freePath(name) { !FileManager.default.fileExists(atPath: $0) || isSame($0) }
      replaces = true
      return
    }
    path = given
    let contents = (try? FileManager.default.contentsOfDirectory(atPath: given)) ?? []
    replaces = !contents.isEmpty && (isSame(given) || (force && Self.run(in: given) != nil))
    guard contents.isEmpty || replaces else {
      throw FolderOfAnotherRun(path: given, isOurs: Self.run(in: given) != nil)
    }
  }

  /// A picture: the default name, with a number behind it where another run has taken that, or the one given.
  ///
  /// - Parameter isFree: whether the pictures that a name stands for may be written.
  public init(given: String?, default name: String, force: Bool, isFree: (String) throws -> Bool) rethrows {
    replaces = true
    guard given == nil, !force, name.hasSuffix(".png") else {
      path = given ?? name
      return
    }
    path = try Workspace.freePath(String(name.dropLast(4)), ending: ".png", isFree: isFree)
  }

  /// Whether nothing is at a path, or a picture that carries these texts.
  public static func isFree(_ path: String, or texts: @autoclosure () throws -> [PNGText]) rethrows -> Bool {
    if !FileManager.default.fileExists(atPath: path) { return true }
    let texts = try texts()
    return (try? PNG.text(of: path)) == texts
  }

  /// A figure, likewise; one of the same run carries its number.
  public init(figure given: String?, default name: String, of record: RunRecord, force: Bool) throws {
    replaces = true
    guard given == nil, !force else {
      path = given ?? name
      return
    }
    path = Workspace.freePath(String(name.dropLast(4)), ending: ".png") { path in
      !FileManager.default.fileExists(atPath: path)
        || (try? PNG.text(of: path))?.first { $0.keyword == "run" }?.text == record.identity
    }
  }

  /// What made a folder of ours; nil for any other folder.
  private static func run(in folder: String) -> String? {
    struct File: Decodable { let run: [String: String] }
    return try? JSON.read(File.self, from: "\(folder)/run.json").run["id"]
  }
}

/// A folder that must not be mixed with.
public struct FolderOfAnotherRun: UserError {
  let path: String
  let isOurs: Bool
  /// The folder, and what to do.
  public var description: String {
    isOurs
      ? "'\(path)' holds the results of another run; give another --output, or replace them with --force"
      : "'\(path)' holds files that are not of this command; give a folder that is empty or not there with --output"
  }
}
