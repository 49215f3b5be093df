/// A cursor into the weights of a model, as in `w["down_blocks"][0]["resnets"][1]`.
public struct WeightScope: Sendable {
  /// The names so far, joined by dots: `down_blocks.0.resnets.1`.
  public let path: String
  private let file: WeightFile

  init(path: String, file: WeightFile) {
    self.path = path
    self.file = file
  }

  /// What computes the layers that are read from here.
  public var engine: any Engine { file.engine }

  /// The part of that name.
  public subscript(name: String) -> WeightScope { WeightScope(path: full(name), file: file) }

  /// The part of that number in a list.
  public subscript(index: Int) -> WeightScope { self[String(index)] }

  /// The part of that name or, in a file without it, of the name that it had before.
  public subscript(name: String, formerly old: String) -> WeightScope {
    !contains(name) && contains(old) ? self[old] : self[name]
  }

  /// Whether there are weights in the part of that name.
  public func contains(_ name: String) -> Bool { file.hasNames(beginningWith: full(name) + ".") }

  /// Whether there is a weight `path.name`.
  public func has(_ name: String) -> Bool { file.hasName(full(name)) }

  /// The float32 copy of the weight `path.name`.
  ///
  /// - Throws: `WeightError` when it is missing, of another shape, no float, or holds a NaN or infinity.
  public func tensor(_ name: String, _ shape: Shape) throws -> Tensor {
    try file.take(full(name), shape).tensor().reshaped(shape)
  }

  /// The weight `path.name` as a matrix: its first axis by all others; it stays where it is in the file.
  ///
  /// - Throws: `WeightError` when it is missing, of another shape, no float, or holds a NaN or infinity.
  public func matrix(_ name: String, _ shape: Shape) throws -> WeightMatrix {
    try file.take(full(name), shape)
  }

  private func full(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}
