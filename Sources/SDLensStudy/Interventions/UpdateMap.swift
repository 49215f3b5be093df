import Foundation
import SDLensCore

/// What an edit adds to a block's update: a vector for each place of its map, or one direction for all places.
public struct UpdateMap: Sendable {
  /// Where it lies, as a file of edits names it: a path, or a name beside that file.
  public let file: String
  /// [height, width, channels], [places, channels] row by row, or [channels].
  public let values: Tensor
  /// A number that changes with its shape and content.
  public let fingerprint: String

  /// The name of the tensor in a file of ours; in another's the only one, whatever its name.
  public static let name = "map"

  /// Takes values that lie, or are to lie, in a file.
  ///
  /// - Throws: `MalformedFile` for another shape, and for values that are no numbers.
  public init(_ values: Tensor, file: String) throws {
    // A batch of one map.
    let isBatch = values.shape.rank == 4 && values.shape[0] == 1
    let values = isBatch ? values.reshaped(Shape(Array(values.shape.extents.dropFirst()))) : values
    func check(_ holds: Bool, _ reason: @autoclosure () -> String) throws {
      guard holds else { throw MalformedFile(path: file, reason: reason()) }
    }
    try check(
      1...3 ~= values.shape.rank,
      "has the shape \(values.shape), but a map is [height, width, channels] or [places, channels], and a direction "
        + "[channels]")
    let wrong = values.withElements { $0.firstIndex { !$0.isFinite } }
    try check(
      wrong == nil, "is \(values[wrong ?? 0]) at position \(wrong ?? 0), but it must hold numbers only")
    (self.file, self.values) = (file, values)
    var fingerprint = Fingerprint()
    fingerprint.add("\(values.shape) \(values.hash)".utf8)
    self.fingerprint = fingerprint.description
  }

  /// Reads a file of safetensors with one tensor or one named `map`, or an array of NumPy; F16, BF16, F32 or F64.
  ///
  /// - Throws: `FileError`, `SafetensorsError`, `MalformedFile`.
  public init(contentsOf path: String) throws {
    try self.init(Self.read(path), file: path)
  }

  private static func read(_ path: String) throws -> Tensor {
    if try NumPyFile.isOne(path) { return try NumPyFile(contentsOf: path).tensor() }
    let tensors = try Safetensors(contentsOf: path)
    guard let name = tensors.names.contains(name) ? name : tensors.names.first,
      tensors.names.count == 1 || name == Self.name
    else {
      throw MalformedFile(
        path: path,
        reason:
          "has the tensors \(tensors.names.map { "'\($0)'" }.joined(separator: ", ")), but one alone, or one "
          + "named '\(Self.name)', is needed")
    }
    return try tensors.tensor(name)
  }

  /// Writes the file into a folder under a name of its content, and names that.
  ///
  /// - Throws: `FileError`.
  func written(to folder: String) throws -> UpdateMap {
    let file = "map-\(fingerprint.prefix(8)).safetensors"
    let path = "\(folder)/\(file)"
    if !FileManager.default.fileExists(atPath: path) {
      try Safetensors.write([.init(Self.name, values)], to: path)
    }
    return try UpdateMap(values, file: file)
  }

  /// Whether it is one vector for all places.
  var isDirection: Bool { values.shape.rank == 1 }

  /// A vector for each place of a map, [places, channels]; nil when it is of another size.
  func rows(height: Int, width: Int, channels: Int) -> Tensor? {
    let places = height * width
    switch values.shape.extents {
    case [channels], [1, channels]:
      return Tensor([[Float]](repeating: values.elements, count: places).flatMap(\.self), [places, channels])
    case [places, channels], [height, width, channels]: return values.reshaped([places, channels])
    default: return nil
    }
  }
}

extension UpdateMap: Hashable {
  /// Whether both are the same numbers in files of one name.
  public static func == (a: UpdateMap, b: UpdateMap) -> Bool {
    (a.file, a.fingerprint) == (b.file, b.fingerprint)
  }
  /// The numbers count by their fingerprint.
  public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}
