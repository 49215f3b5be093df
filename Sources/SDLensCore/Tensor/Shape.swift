/// The extents of a tensor, outermost first, as in `[batch, height, width, channels]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// The extents, outermost first.
  public let extents: [Int]

  /// Makes a shape of the given extents; none may be negative.
  public init(_ extents: [Int]) {
    precondition(extents.allSatisfy { $0 >= 0 }, "negative extent in \(extents)")
    self.extents = extents
  }

  /// Makes a shape of a literal.
  public init(arrayLiteral extents: Int...) { self.init(extents) }

  /// How many axes there are.
  public var rank: Int { extents.count }

  /// How many elements a tensor of this shape holds (1 for the empty shape).
  public var count: Int { extents.reduce(1, *) }

  /// The extent of one axis; negative axes count from the end.
  public subscript(axis: Int) -> Int { extents[axis < 0 ? extents.count + axis : axis] }

  /// As in `[2, 77, 2048]`.
  public var description: String { "[" + extents.map(String.init).joined(separator: ", ") + "]" }
}
