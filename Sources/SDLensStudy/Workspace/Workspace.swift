import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The folder in which a study keeps what it records, trains and makes.
public struct Workspace: Sendable {
  /// Where it lies.
  public let folder: String

  /// Names a folder, which need not be there yet.
  public init(_ folder: String) { self.folder = folder }

  /// The folder of the stores of activations.
  public var activations: String { folder + "/activations" }
  /// The folder of pictures and figures.
  public var pictures: String { folder + "/pictures" }
  /// The folder of pictures that measurements make, each once.
  public var madePictures: String { pictures + "/cache" }
  /// The folder of measurements.
  public var results: String { folder + "/results" }
  /// The folder of the dictionaries of a block.
  public func dictionaries(of block: BlockName) -> String { dictionaries(at: "\(block)") }
  /// The folder of the dictionaries of a block, or of what else vectors are of.
  public func dictionaries(at place: String) -> String { "\(folder)/saes/\(place)" }
  /// The folder of the trainings of a block that can go on: checkpoints, logs and curves.
  public func trainings(of block: BlockName) -> String { trainings(at: "\(block)") }
  /// The folder of the trainings of a block, or of what else vectors are of.
  public func trainings(at place: String) -> String { "\(folder)/training/\(place)" }

  /// The folder of captions of dictionaries that lie elsewhere.
  public var captions: String { folder + "/captions" }

  /// Opens a dictionary that lies anywhere, with the captions that the workspace has of it.
  ///
  /// - Throws: what is wrong with its files.
  public func dictionary(_ path: String) throws -> DictionaryFolder {
    let found = try DictionaryFolder(path)
    // A fingerprint takes all weights.
    guard FileManager.default.fileExists(atPath: captions) else { return found }
    return try found.adding(captionsOf: captions(of: found))
  }

  /// Where captions of a dictionary are written: beside one that lies in the workspace; of any other, whose folder may be
  /// of the program or of a cache or hold another by now, in the workspace, named by its fingerprint.
  public func captionFile(of dictionary: DictionaryFolder) -> String {
    func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path + "/" }
    let isOwn = real(dictionary.path).hasPrefix(real(folder))
    // Beside a file, or other weights than were read, nothing tells whose captions they are.
    return isOwn && FileManager.default.fileExists(atPath: "\(dictionary.path)/.") && dictionary.isAsRead
      ? "\(dictionary.path)/\(FeatureCaptions.fileName)" : captions(of: dictionary)
  }

  /// The file of the captions of a dictionary that lies elsewhere.
  public func captions(of dictionary: DictionaryFolder) -> String {
    "\(captions)/\(dictionary.identity.fingerprint).jsonl"
  }

  /// A store: the name of one in the workspace, or a folder.
  public func path(ofStore store: String) -> String {
    let path = "\(activations)/\(store)"
    return !store.contains("/") && FileManager.default.fileExists(atPath: path) ? path : store
  }

  /// The dictionaries of some blocks that a name stands for: those of the workspace, or else those that come with the
  /// program.
  public func paths(ofDictionaries name: String, _ blocks: [BlockName] = BlockName.all) -> [String] {
    guard !name.contains("/") else { return [] }
    func present(_ folder: (BlockName) -> String) -> [String] {
      blocks.map { "\(folder($0))/\(name)" }.filter(FileManager.default.fileExists)
    }
    let own = present(dictionaries)
    guard own.isEmpty, let model = try? ModelFolder(ModelFolder.embedded) else { return own }
    return present { "\(model.dictionaries)/\($0)" }
  }

  /// The names of what lies in one of its folders, sorted; hidden ones are left out.
  static func names(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { !$0.hasPrefix(".") }.sorted()
  }

  /// The first of `name`, `name-2`, `name-3`, … that may be written.
  ///
  /// - Parameters:
  ///   - ending: of a file, as in `.png`; empty for a folder.
  ///   - isFree: whether nothing is at a path, or what the run that asks has made itself.
  public static func freePath(
    _ name: String, ending: String = "", isFree: (String) throws -> Bool
  ) rethrows -> String {
    var number = 1
    while true {
      let path = number == 1 ? name + ending : "\(name)-\(number)\(ending)"
      if try isFree(path) { return path }
      number += 1
    }
  }
}

extension ModelFolder {
  /// The title as the name of a folder.
  public var folderTitle: String { title.replacingOccurrences(of: "/", with: "--") }
}
