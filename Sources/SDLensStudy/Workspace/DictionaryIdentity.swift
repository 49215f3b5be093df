import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What a result says of a dictionary that it was made with.
public struct DictionaryIdentity: Codable, Sendable, Equatable, CustomStringConvertible {
  /// What people call it: the name of its folder.
  public let name: String
  /// A number that changes with its content.
  public let fingerprint: String

  /// As in `k10-n256 0123456789abcdef`.
  public var description: String { "\(name) \(fingerprint)" }
}

extension DictionaryFolder {
  /// Its name and fingerprint. Of a step of a training that sdxl-unbox wrote (`…/final`), the name is that of the
  /// training and the step.
  public var identity: DictionaryIdentity {
    let parts = URL(fileURLWithPath: path).standardizedFileURL.pathComponents
    let last = parts.last ?? path
    let isStep = parts.count > 1 && (last == "final" || Int(last) != nil)
    return DictionaryIdentity(
      name: isStep ? "\(parts[parts.count - 2])/\(last)" : last,
      fingerprint: autoencoder.contentFingerprint.description)
  }
}

extension EditList {
  /// The same edits, with the dictionaries that they were made for.
  public func naming(_ dictionaries: [BlockName: DictionaryFolder]) -> EditList {
    var list = self
    list.dictionaries = dictionaries.filter { block, _ in
      edits.contains { $0.block == block && $0.needsDictionary }
    }.mapValues(\.identity)
    return list
  }

  /// Checks that edits which name their dictionaries meet these: a feature's number means nothing elsewhere.
  ///
  /// - Parameter path: the file of the edits, for the message.
  /// - Throws: `EditsOfAnotherDictionary`.
  public func check(_ found: [BlockName: DictionaryFolder], path: String) throws {
    for (block, needed) in dictionaries.sorted(by: { $0.key < $1.key }) {
      guard let dictionary = found[block] else { continue }
      let identity = dictionary.identity
      guard identity.fingerprint == needed.fingerprint else {
        throw EditsOfAnotherDictionary(path: path, block: block, found: identity, needed: needed)
      }
    }
  }
}

/// Edits that were made with a dictionary other than the one at hand.
public struct EditsOfAnotherDictionary: UserError {
  let path: String
  let block: BlockName
  let found: DictionaryIdentity
  let needed: DictionaryIdentity
  /// The file, both dictionaries and what to do.
  public var description: String {
    "the edits of '\(path)' are for the dictionary \(needed) of \(block), but the one taken is \(found); name the right "
      + "one, as with --sae \(needed.name)"
  }
}
