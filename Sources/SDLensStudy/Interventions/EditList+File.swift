import Foundation
import SDLensCore
import SDLensDiffusion

// A file of edits:
//
//     {"format": "sdlens-edits", "version": 1,
//      "dictionaries": {"down.2.1": {"name": "k10-n5120", "fingerprint": "0123456789abcdef"}, …}, "edits": [
//       {"block": "down.2.1", "operation": "modulate", "feature": 4539, "beta": -6},
//       {"block": "up.0.1", "operation": "add", "feature": 7, "strength": 2, "mask": "left", "steps": [0, 2]},
//       {"block": "down.2.1", "operation": "empty-context", "feature": 3, "gamma": 1.5},
//       {"block": "mid.0", "operation": "add-map", "file": "map.safetensors", "fingerprint": "0123456789abcdef",
//        "strength": 1, "mask": "left"},
//       {"block": "mid.0", "operation": "transplant", "prompt": "a red circle", "features": [3, 7]},
//       {"block": "mid.0", "operation": "move", "features": [3], "right": 2, "down": -1},
//       {"block": "mid.0", "operation": "reconstruct"},
//       {"block": "up.0.0", "operation": "ablate"}]}
//
// "mask" is the name or the corners of a region, or rows of numbers from 0 to 1, one for each place of the map;
// absent, it is the whole map. "file" is a path, or a name beside the file of edits. "features" of a transplant absent
// means the whole update. "steps" absent means all steps. "dictionaries" may be absent: then the numbers of the
// features are those of whatever dictionary is taken. Every other key is refused. A PNG that this program wrote holds
// such a text under "edits", and is read like a file of edits.
extension EditList {
  private static let format = "sdlens-edits"
  private static let version = 1
  /// What messages call a list that lies in no file.
  private static let given = "the list of edits"
  /// No list that makes sense comes near this many bytes.
  private static let mostBytes = 1 << 24

  /// Reads a file of edits; a path that begins with `{` is the content itself.
  ///
  /// - Throws: `FileError` when it cannot be read, `MalformedFile` naming the edit and the key that are wrong.
  public init(contentsOf path: String) throws {
    if path.hasPrefix("{") {
      do {
        try self.init(JSONValue(parsing: path), path: Self.given)
      } catch let mistake as JSONParser.Mistake {
        throw MalformedFile(path: Self.given, reason: "is not valid JSON: \(mistake)")
      }
      return
    }
    try self.init(path.lowercased().hasSuffix(".png") ? Self.carried(by: path) : Self.json(path), path: path)
  }

  private static func json(_ path: String) throws -> JSONValue {
    let size = try MappedFile(path: path).count
    guard size <= mostBytes else {
      throw MalformedFile(
        path: path, reason: "has \(size) bytes, but a file of edits has at most \(mostBytes)")
    }
    return try JSONValue(contentsOf: path)
  }

  /// The edits that a picture of ours carries.
  private static func carried(by path: String) throws -> JSONValue {
    guard let text = try PNG.text(of: path).first(where: { $0.keyword == "edits" })?.text else {
      throw MalformedFile(
        path: path, reason: "carries no edits; give a picture that intervene made, or edit.json")
    }
    do {
      return try JSONValue(parsing: text)
    } catch let mistake as JSONParser.Mistake {
      throw MalformedFile(path: path, reason: "carries edits that are not JSON: \(mistake)")
    }
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
      let named = try file.optional("dictionaries").map(Self.dictionaries)
      let values = try file.array("edits")
      try file.finish()
      guard !values.isEmpty else { throw EditFields.Mistake("holds no edits") }
      let folder = path.folderOfPath
      try self.init(values.enumerated().map { try Edit($1, "edit \($0 + 1)", beside: folder) })
      dictionaries = named ?? [:]
    } catch let mistake as EditFields.Mistake {
      throw MalformedFile(path: path, reason: mistake.reason)
    } catch let error as EditError {
      throw MalformedFile(path: path, reason: "holds what cannot be done: \(error)")
    }
  }

  private static func dictionaries(_ json: JSONValue) throws -> [BlockName: DictionaryIdentity] {
    guard case .object(let members) = json else {
      throw EditFields.Mistake("has \(json) as 'dictionaries', but an object is needed")
    }
    return try Dictionary(
      uniqueKeysWithValues: members.map { key, value in
        guard let block = try? BlockName(key) else {
          throw EditFields.Mistake("names in 'dictionaries' the block '\(key)', which there is not")
        }
        var fields = try EditFields(value, "'dictionaries', '\(key)'")
        let identity = DictionaryIdentity(
          name: try fields.string("name"), fingerprint: try fields.string("fingerprint"))
        try fields.finish()
        return (block, identity)
      })
  }

  /// The content of a file of edits in one line.
  public var line: String {
    get throws { String(decoding: try JSON.line(self), as: UTF8.self) }
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
  private enum Key: CodingKey { case format, version, dictionaries, edits }

  /// The content of a file of edits.
  public func encode(to encoder: any Encoder) throws {
    var file = encoder.container(keyedBy: Key.self)
    try file.encode(Self.format, forKey: .format)
    try file.encode(Self.version, forKey: .version)
    if !dictionaries.isEmpty {
      let named = dictionaries.map { ("\($0.key)", $0.value) }
      try file.encode(Dictionary(uniqueKeysWithValues: named), forKey: .dictionaries)
    }
    try file.encode(edits, forKey: .edits)
  }
}

extension Edit: Encodable {
  private enum Key: CodingKey {
    case block, operation, feature, features, beta, strength, gamma, mask, file, fingerprint, prompt, right,
      down,
      steps
  }

  /// One edit as it stands in a file.
  public func encode(to encoder: any Encoder) throws {
    var edit = encoder.container(keyedBy: Key.self)
    try edit.encode(block.description, forKey: .block)
    try edit.encode(operation.name.rawValue, forKey: .operation)
    try edit.encodeIfPresent(feature, forKey: .feature)
    try edit.encodeIfPresent(features, forKey: .features)
    try edit.encodeIfPresent(steps?.sorted(), forKey: .steps)
    switch operation {
    case .modulate(_, let beta): try edit.encode(beta, forKey: .beta)
    case .add(_, let strength, let mask):
      try edit.encode(strength, forKey: .strength)
      if mask != .everywhere { try edit.encode(mask, forKey: .mask) }
    case .emptyContext(_, let gamma): try edit.encode(gamma, forKey: .gamma)
    case .addMap(let map, let strength, let mask):
      try edit.encode(map.file, forKey: .file)
      try edit.encode(map.fingerprint, forKey: .fingerprint)
      try edit.encode(strength, forKey: .strength)
      if mask != .everywhere { try edit.encode(mask, forKey: .mask) }
    case .transplant(let prompt, _): try edit.encode(prompt, forKey: .prompt)
    case .move(_, let right, let down):
      try edit.encode(right, forKey: .right)
      try edit.encode(down, forKey: .down)
    case .reconstruct, .ablate: break
    }
  }

  fileprivate init(_ json: JSONValue, _ place: String, beside folder: String) throws {
    do {
      try self.init(EditFields(json, place), place, beside: folder)
    } catch let error as any UserError {
      throw EditFields.Mistake("holds what cannot be done: \(place): \(error)")
    }
  }

  private init(_ fields: EditFields, _ place: String, beside folder: String) throws {
    var fields = fields
    func mask() throws -> Mask {
      try fields.optional("mask").map { try Mask($0, "\(place): 'mask'") } ?? .everywhere
    }
    block = try BlockName(fields.string("block"))
    let name = try fields.string("operation")
    switch Operation.Name(rawValue: name) {
    case .modulate: operation = .modulate(feature: try fields.int("feature"), beta: try fields.double("beta"))
    case .add:
      operation = .add(
        feature: try fields.int("feature"), strength: try fields.double("strength"), mask: try mask())
    case .emptyContext:
      operation = .emptyContext(feature: try fields.int("feature"), gamma: try fields.double("gamma"))
    case .addMap:
      let file = try fields.string("file")
      let map = try UpdateMap(contentsOf: file.hasPrefix("/") || folder.isEmpty ? file : "\(folder)/\(file)")
      let wanted = try fields.string("fingerprint")
      guard map.fingerprint == wanted else {
        throw EditFields.Mistake(
          "names in \(place) the map '\(map.file)' of the fingerprint \(wanted), but that file's is "
            + "\(map.fingerprint): another map lies there; put the right one back")
      }
      operation = .addMap(
        try UpdateMap(map.values, file: file), strength: try fields.double("strength"), mask: try mask())
    case .transplant:
      operation = .transplant(
        prompt: try fields.string("prompt"), features: try fields.optionalInts("features"))
    case .move:
      guard let features = try fields.optionalInts("features") else {
        throw EditFields.Mistake("has in \(place) no 'features'; it must be a list of whole numbers")
      }
      operation = .move(features: features, right: try fields.int("right"), down: try fields.int("down"))
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
