import Foundation
import SDLensCore

/// Some consecutive pictures of a store, in one file that never changes: `shard-00012.safetensors`.
///
/// Each block has a tensor of its name, [pictures, steps, places, width]; where only some places are kept, a
/// tensor `down.2.1.places` [pictures, steps, places] tells which, counted row by row. The metadata holds the
/// prompts as a JSON list, the first picture's number, the fingerprint of the manifest, and a CRC-32 of the data.
public struct ActivationShard: Sendable {
  /// The vectors of one block of the pictures of a shard.
  public struct Part {
    /// [pictures, steps, places, width].
    let vectors: Tensor
    /// [pictures, steps, places]; nil when all places are kept.
    let places: [Int32]?

    /// Pairs vectors with their places.
    public init(vectors: Tensor, places: [Int32]?) { (self.vectors, self.places) = (vectors, places) }
  }

  /// The pictures, counted over the whole store.
  public let pictures: Range<Int>
  let file: Safetensors
  private let path: String

  /// The name of a shard's file.
  static func fileName(_ index: Int) -> String { "shard-\(number(index)).safetensors" }
  /// The name of the file of a shard's pictures.
  static func pictureFileName(_ index: Int) -> String { "pictures-\(number(index)).safetensors" }
  private static func number(_ index: Int) -> String {
    String(repeating: "0", count: max(0, 5 - "\(index)".count)) + "\(index)"
  }

  /// Writes a shard, whole or not at all.
  ///
  /// - Throws: `BeyondHalf` when a value does not fit the number format, and `FileError`.
  public static func write(
    _ index: Int, of manifest: ActivationManifest, _ parts: [String: Part], prompts: [String],
    in folder: String
  ) throws {
    let pictures = manifest.pictures(ofShard: index)
    precondition(prompts.count == pictures.count)
    var items: [Safetensors.Item] = []
    for block in manifest.blocks {
      guard let part = parts[block.name] else { preconditionFailure("no \(block.name) for the shard") }
      let shape: Shape = [pictures.count, manifest.steps, manifest.placesKept(of: block), block.width]
      precondition(part.vectors.shape == shape, "\(block.name): \(part.vectors.shape), not \(shape)")
      items.append(
        manifest.dtype == .float16
          ? try .init(half: part.vectors, block.name) : .init(block.name, part.vectors))
      if let places = part.places {
        items.append(.init("\(block.name).places", places, Shape(Array(shape.extents.dropLast()))))
      }
    }
    let metadata = [
      "prompts": String(decoding: try JSONEncoder().encode(prompts), as: UTF8.self),
      "first": "\(pictures.lowerBound)", "store": try manifest.fingerprint,
      "crc32": String(try Safetensors.checksum(of: items), radix: 16),
    ]
    try Safetensors.write(items, metadata: metadata, to: "\(folder)/\(fileName(index))")
  }

  /// Opens a shard and checks what its header says.
  ///
  /// - Throws: `FileError`, `SafetensorsError`, `DamagedShard`.
  init(_ index: Int, of manifest: ActivationManifest, in folder: String) throws {
    path = "\(folder)/\(Self.fileName(index))"
    pictures = manifest.pictures(ofShard: index)
    file = try Safetensors(contentsOf: path)
    let fingerprint = try manifest.fingerprint
    guard file.metadata["store"] == fingerprint else {
      throw DamagedShard(
        path: path,
        reason: "belongs to the store \(file.metadata["store"] ?? "?"), not to this one, \(fingerprint)")
    }
    guard file.metadata["first"] == "\(pictures.lowerBound)" else {
      throw DamagedShard(
        path: path, reason: "begins with picture \(file.metadata["first"] ?? "?"), not \(pictures.lowerBound)"
      )
    }
    for block in manifest.blocks {
      let places = manifest.placesKept(of: block)
      let type: ElementType = manifest.dtype == .float16 ? .f16 : .f32
      try check(block.name, type, [pictures.count, manifest.steps, places, block.width])
      if manifest.places != nil {
        try check("\(block.name).places", .i32, [pictures.count, manifest.steps, places])
      }
    }
  }

  private func check(_ name: String, _ type: ElementType, _ shape: Shape) throws {
    let entry = file.entry(name)
    guard entry?.shape == shape, entry?.type == type else {
      let found = entry.map { "\($0.type.rawValue) \($0.shape)" } ?? "missing"
      throw DamagedShard(
        path: path, reason: "has '\(name)' \(found), but it must be \(type.rawValue) \(shape)")
    }
  }

  /// The prompts, in the order of the pictures.
  ///
  /// - Throws: `DamagedShard`.
  public func prompts() throws -> [String] {
    let text = file.metadata["prompts"] ?? ""
    guard let prompts = try? JSON.decode([String].self, from: Data(text.utf8)),
      prompts.count == pictures.count
    else { throw DamagedShard(path: path, reason: "does not tell its \(pictures.count) prompts") }
    return prompts
  }

  /// Reads all of the shard and compares it with its checksum.
  ///
  /// - Throws: `DamagedShard`.
  func verify() throws {
    let sum = String(file.checksum(), radix: 16)
    guard sum == file.metadata["crc32"] else {
      throw DamagedShard(
        path: path,
        reason: "has the checksum \(sum), but was written with \(file.metadata["crc32"] ?? "none")")
    }
    _ = try prompts()
  }
}

/// A shard that cannot be trusted.
public struct DamagedShard: UserError {
  let path: String
  let reason: String
  /// The file and what is wrong with it.
  public var description: String {
    "'\(path)' \(reason); delete it and let 'sdlens collect' make it again"
  }
}
