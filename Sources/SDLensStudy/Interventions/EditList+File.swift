import Foundation
import SDLensCore
import SDLensDiffusion

// A file of edits:
//
//     {"format": "sdlens-edits", "version": 1, "edits": [
//       {"block": "down.2.1", "operation": "modulate", "feature": 4539, "beta": -6},
//       {"block": "up.0.1", "operation": "add", "feature": 7, "strength": 2, "mask": "left", "steps": [0, 2]},
//       {"block": "down.2.1", "operation": "empty-context", "feature": 3, "gamma": 1.5},
//       {"block": "mid.0", "operation": "reconstruct"},
//       {"block": "up.0.0", "operation": "ablate"}]}
//
// "mask" is the name or the corners of a region, or rows of numbers from 0 to 1, one for each place of the map;
// absent, it is the whole map. "steps" absent means all steps. Every other key is refused.
extension EditList {
  private static let format = "sdlens-edits"
  private static let version = 1
  /// No list that makes sense comes near this many bytes.
  private static let mostBytes = 1 << 24

  /// Reads a file of edits.
  ///
  /// - Throws: `FileError` when it cannot be read, `MalformedFile` naming the edit and the key that are wrong.
  public init(contentsOf path: String) throws {
    let size = try MappedFile(path: path).count
    guard size <= Self.mostBytes else {
      throw MalformedFile(
        path: path, reason: "has \(size) bytes, but a file of edits has at most \(Self.mostBytes)")
    }
    try self.init(JSONValue(contentsOf: path), path: path)
  }

  /// Reads the content of a file of edits; `path` is for messages.
  ///
  /// - Throws: `MalformedFile` naming the edit and the key that are wrong.
  public init(_ json: JSONValue, path: String) throws {
    do {
      var file = try EditFields(json, "the outermost value")
      guard try file.string("format") == Self.format else {
        throw EditFields.Mistake("is not a file of edits: 'format' must be \"\(Self.format)\"")
      }
      let version = try file.int("version")
      guard version == Self.version else {
        throw EditFields.Mistake(
          "is of version \(version) of the format, but this program reads version \(Self.version)")
      }
      let values = try file.array("edits")
      try file.finish()
      guard !values.isEmpty else { throw EditFields.Mistake("holds no edits") }
      try self.init(values.enumerated().map { try Edit($1, "edit \($0 + 1)") })
    } catch let mistake as EditFields.Mistake {
      throw MalformedFile(path: path, reason: mistake.reason)
    } catch let error as EditError {
      throw MalformedFile(path: path, reason: "holds what cannot be done: \(error)")
    }
  }

  /// Writes the file, whole or not at all.
  ///
  /// - Throws: `FileError`.
  public func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let bytes = Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    try AtomicFile.write(to: path, byteCount: bytes.count) { try $0.append(bytes) }
  }
}

extension EditList: Encodable {
  private enum Key: CodingKey { case format, version, edits }

  /// The content of a file of edits.
  public func encode(to encoder: any Encoder) throws {
    var file = encoder.container(keyedBy: Key.self)
    try file.encode(Self.format, forKey: .format)
    try file.encode(Self.version, forKey: .version)
    try file.encode(edits, forKey: .edits)
  }
}

extension Edit: Encodable {
  private enum Key: CodingKey { case block, operation, feature, beta, strength, gamma, mask, steps }

  /// One edit as it stands in a file.
  public func encode(to encoder: any Encoder) throws {
    var edit = encoder.container(keyedBy: Key.self)
    try edit.encode(block.description, forKey: .block)
    try edit.encode(operation.name.rawValue, forKey: .operation)
    try edit.encodeIfPresent(feature, forKey: .feature)
    try edit.encodeIfPresent(steps?.sorted(), forKey: .steps)
    switch operation {
    case .modulate(_, let beta): try edit.encode(beta, forKey: .beta)
    case .add(_, let strength, let mask):
      try edit.encode(strength, forKey: .strength)
      if mask != .everywhere { try edit.encode(mask, forKey: .mask) }
    case .emptyContext(_, let gamma): try edit.encode(gamma, forKey: .gamma)
    case .reconstruct, .ablate: break
    }
  }

  fileprivate init(_ json: JSONValue, _ place: String) throws {
    do {
      try self.init(EditFields(json, place), place)
    } catch let error as any UserError {
      throw EditFields.Mistake("holds what cannot be done: \(place): \(error)")
    }
  }

  private init(_ fields: EditFields, _ place: String) throws {
    var fields = fields
    block = try BlockName(fields.string("block"))
    let name = try fields.string("operation")
    switch Operation.Name(rawValue: name) {
    case .modulate: operation = .modulate(feature: try fields.int("feature"), beta: try fields.double("beta"))
    case .add:
      operation = .add(
        feature: try fields.int("feature"), strength: try fields.double("strength"),
        mask: try fields.optional("mask").map { try Mask($0, "\(place): 'mask'") } ?? .everywhere)
    case .emptyContext:
      operation = .emptyContext(feature: try fields.int("feature"), gamma: try fields.double("gamma"))
    case .reconstruct: operation = .reconstruct
    case .ablate: operation = .ablate
    case nil:
      throw EditFields.Mistake(
        "has in \(place) the operation '\(name)', which there is not; the operations are: "
          + Operation.Name.allCases.map(\.rawValue).joined(separator: ", "))
    }
    steps = try fields.optionalInts("steps").map(Set.init)
    try fields.finish()
  }
}
