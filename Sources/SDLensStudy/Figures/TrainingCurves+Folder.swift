import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

extension TrainingCurves {
  /// A training that is there, or goes on.
  public struct Training {
    /// What its curves are called.
    public let name: String
    /// The names of what it makes.
    public let dictionaries: [String]
    private let folder: String
    private let block: BlockName
    private let made: [DictionaryFolder?]

    /// The one of a folder `…/training/<block>/<names>`; without it the last of a block.
    ///
    /// - Throws: `NoTraining`, and what is wrong with its dictionaries.
    public init(_ path: String?, of block: BlockName, in workspace: Workspace) throws {
      folder = try path ?? Self.last(of: block, in: workspace)
      let parts = URL(fileURLWithPath: folder).standardizedFileURL.pathComponents
      let names = (parts.last ?? "").split(separator: "+").map(String.init)
      // The dictionaries lie in …/saes/<block>/.
      let block = parts.dropLast().last.flatMap { try? BlockName($0) } ?? block
      made = try names.map { name in
        let path = "\(workspace.dictionaries(of: block))/\(name)"
        return FileManager.default.fileExists(atPath: path) ? try DictionaryFolder(path) : nil
      }
      (self.block, dictionaries) = (block, names)
      name = "training-\(block)-\(names.joined(separator: "+"))"
    }

    /// Writes the page.
    ///
    /// - Throws: as `TrainingCurves.write`.
    public func draw(to path: String) throws {
      try TrainingCurves.write(
        log: "\(folder)/log.jsonl", statistics: made.map { $0?.statistics },
        names: zip(dictionaries, made).map { $1?.label ?? $0 }, of: "\(block)", to: path)
    }

    /// The training of a block that was begun last: one that has no dictionary yet, else that of the last dictionary.
    private static func last(of block: BlockName, in workspace: Workspace) throws -> String {
      let ordered = TrainingJob.folders(of: block, in: workspace).map { name in
        let orders = name.split(separator: "+").map {
          DictionaryLookup.order(of: String($0), at: block, in: workspace) ?? .max
        }
        return (order: orders.max() ?? 0, name: name)
      }
      guard let last = ordered.max(by: { ($0.order, $0.name) < ($1.order, $1.name) }) else {
        throw NoTraining(block: block, workspace: workspace.folder)
      }
      return "\(workspace.trainings(of: block))/\(last.name)"
    }
  }
}

/// No training of a block.
public struct NoTraining: UserError {
  let block: BlockName
  let workspace: String
  /// The block, and how to train one.
  public var description: String {
    "no dictionary of \(block) was trained in '\(workspace)'; train one with: sdlens train-sae --block \(block)"
  }
}
