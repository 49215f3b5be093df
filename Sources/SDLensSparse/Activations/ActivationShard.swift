import Foundation
import SDLensCore

/// Some consecutive pictures of a store, in one file that never changes: `shard-00012.safetensors`.
///
/// Each block has a tensor of its name, [pictures, recorded steps, places, width]; where only some places are kept, a
/// tensor `down.2.1.places` [pictures, steps, places] tells which, counted row by row; of numbers in 8 bits, a tensor
/// `down.2.1.scale` of that shape has what each vector is multiplied by. The metadata holds the prompts as a JSON list,
/// the first picture's number, the fingerprint of the manifest, a CRC-32 of the data, and what rounding cost.
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

  /// Its number.
  let index: Int
  /// The pictures, counted over the whole store.
  public let pictures: Range<Int>

  /// The name of a shard's file.
  static func fileName(_ index: Int) -> String { "shard-\(number(index)).safetensors" }
  /// The number of the shard in a file of that name; nil for other files.
  static func index(ofFile name: String) -> Int? {
    guard name.hasPrefix("shard-"), let index = Int(name.dropFirst(6).prefix { $0 != "." }), index >= 0,
      fileName(index) == name
    else { return nil }
    return index
  }
  /// The name of the file of a shard's pictures.
  static func pictureFileName(_ index: Int) -> String { "pictures-\(number(index)).safetensors" }
  private static func number(_ index: Int) -> String {
    String(repeating: "0", count: max(0, 5 - "\(index)".count)) + "\(index)"
  }

  /// What the metadata of a shard say of it, and those of its pictures.
  static func identity(
    _ index: Int, of manifest: ActivationManifest, _ fingerprint: String, _ checksum: UInt32
  ) -> [String: String] {
    [
      "first": "\(manifest.pictures(ofShard: index).lowerBound)", "store": fingerprint,
      "crc32": String(checksum, radix: 16),
    ]
  }

  /// Writes the pictures of a shard, [pictures, height, width, 3] bytes, whole or not at all.
  ///
  /// - Throws: `FileError`.
  public static func write(
    pictures samples: [UInt8], ofShard index: Int, of manifest: ActivationManifest, in folder: String
  ) throws {
    let count = manifest.pictures(ofShard: index).count
    let items = [Safetensors.Item("pictures", samples, [count, manifest.height, manifest.width, 3])]
    try Safetensors.write(
      items,
      metadata: identity(index, of: manifest, try manifest.fingerprint, try Safetensors.checksum(of: items)),
      to: ActivationStore.path(ofPicturesOfShard: index, in: folder))
  }

  /// Writes a shard, whole or not at all.
  ///
  /// - Returns: What rounding cost, by block; empty where nothing is rounded.
  /// - Throws: `BeyondFormat` when a value does not fit the number format, and `FileError`.
  @discardableResult public static func write(
    _ index: Int, of manifest: ActivationManifest, _ parts: [String: Part], prompts: [String],
    in folder: String
  ) throws -> [String: RoundingError] {
    let pictures = manifest.pictures(ofShard: index)
    precondition(prompts.count == pictures.count)
    var items: [Safetensors.Item] = []
    var errors: [String: RoundingError] = [:]
    for block in manifest.blocks {
      guard let part = parts[block.name] else { preconditionFailure("no \(block.name) for the shard") }
      let shape: Shape = [
        pictures.count, manifest.vectorSteps.steps.count, manifest.placesKept(of: block), block.width,
      ]
      precondition(part.vectors.shape == shape, "\(block.name): \(part.vectors.shape), not \(shape)")
      let vectorShape = Shape(Array(shape.extents.dropLast()))
      var scales: [Float]?
      switch manifest.dtype {
      case .float32: items.append(.init(block.name, part.vectors))
      case .float16: items.append(try .init(half: part.vectors, block.name))
      case .bfloat16: items.append(try .init(bfloat: part.vectors, block.name))
      case .float8:
        let found = try NarrowFloats.scales(part.vectors, block.name)
        items.append(.init(eightBits: part.vectors, scales: found, block.name))
        scales = found
      }
      if manifest.dtype != .float32 {
        errors[block.name] = try RoundingError(of: part.vectors, as: items[items.count - 1], scales: scales)
      }
      if let scales { items.append(.init("\(block.name).scale", Tensor(scales, vectorShape))) }
      if let places = part.places { items.append(.init("\(block.name).places", places, vectorShape)) }
    }
    var metadata = identity(
      index, of: manifest, try manifest.fingerprint, try Safetensors.checksum(of: items))
    metadata["prompts"] = String(decoding: try JSONEncoder().encode(prompts), as: UTF8.self)
    if !errors.isEmpty { metadata["rounding"] = String(decoding: try JSON.line(errors), as: UTF8.self) }
    try Safetensors.write(items, metadata: metadata, to: "\(folder)/\(fileName(index))")
    return errors
  }
}

/// A shard that cannot be trusted.
public struct DamagedShard: UserError {
  let path: String
  let reason: String
  /// The file and what is wrong with it.
  public var description: String {
    "'\(path)' \(reason); delete it and let the 'sdlens collect' or 'import' of its store make it again"
  }
}
