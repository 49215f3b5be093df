/// A dense array of float32 in row-major order, with value semantics.
///
/// A feature map is `[batch, height, width, channels]`, a token sequence `[batch, tokens, width]`:
/// channels are always the last axis, so that a 1×1 convolution, a linear layer and an attention
/// projection are the same product over `rows`.
public struct Tensor: Sendable {
  /// The extents, outermost first.
  public private(set) var shape: Shape
  private var storage: TensorStorage

  /// A tensor whose elements are not set yet: the caller writes every one of them.
  public init(uninitialized shape: Shape) {
    self.shape = shape
    storage = TensorStorage(count: shape.count)
  }

  /// A tensor with every element equal to `value`.
  public init(repeating value: Float = 0, _ shape: Shape) {
    self.init(uninitialized: shape)
    storage.elements.update(repeating: value)
  }

  /// A tensor holding `elements` in row-major order; their number must fit the shape.
  public init(_ elements: [Float], _ shape: Shape) {
    precondition(elements.count == shape.count, "\(elements.count) elements do not fill \(shape)")
    self.init(uninitialized: shape)
    _ = storage.elements.update(fromContentsOf: elements)
  }

  /// The number of elements.
  public var count: Int { storage.elements.count }

  /// The extent of the last axis.
  public var width: Int { shape[-1] }

  /// The number of vectors along the last axis.
  public var rows: Int { width == 0 ? 0 : count / width }

  /// All elements in row-major order, as a copy.
  public var elements: [Float] { Array(storage.elements) }

  /// The same elements under another shape of equal count; nothing is copied.
  public func reshaped(_ shape: Shape) -> Tensor {
    precondition(shape.count == count, "\(self.shape) cannot be seen as \(shape)")
    var result = self
    result.shape = shape
    return result
  }

  /// The element at a row-major position.
  public subscript(index: Int) -> Float {
    get { storage.elements[index] }
    set {
      makeUnique()
      storage.elements[index] = newValue
    }
  }

  /// Reads the elements in place.
  public func withElements<R>(_ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeBufferPointer(storage.elements))
  }

  /// Reads the elements of two tensors in place.
  package static func withElements<R>(
    _ a: Tensor, _ b: Tensor, _ body: (UnsafePointer<Float>, UnsafePointer<Float>) throws -> R
  ) rethrows -> R {
    try a.withElements { a in try b.withElements { b in try body(a.baseAddress!, b.baseAddress!) } }
  }

  /// Reads the elements of three tensors in place.
  package static func withElements<R>(
    _ a: Tensor, _ b: Tensor, _ c: Tensor,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>) throws -> R
  ) rethrows -> R {
    try withElements(a, b) { a, b in try c.withElements { c in try body(a, b, c.baseAddress!) } }
  }

  /// Writes the elements in place, after one copy if another tensor shares them.
  public mutating func withMutableElements<R>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws -> R
  ) rethrows -> R {
    makeUnique()
    defer { withExtendedLifetime(storage) {} }
    return try body(storage.elements)
  }

  private mutating func makeUnique() {
    guard !isKnownUniquelyReferenced(&storage) else { return }
    let copy = TensorStorage(count: count)
    _ = copy.elements.update(fromContentsOf: storage.elements)
    storage = copy
  }
}

extension Tensor? {
  /// Writes the elements of a tensor in place, where there is one.
  mutating func withMutableElements<R>(_ body: (UnsafeMutablePointer<Float>?) throws -> R) rethrows -> R {
    guard self != nil else { return try body(nil) }
    return try self!.withMutableElements { try body($0.baseAddress!) }
  }
}

extension [Tensor] {
  /// Writes the elements of all tensors in place; each has its own.
  mutating func withMutableElements(_ body: ([UnsafeMutablePointer<Float>]) -> Void) {
    func open(_ rest: ArraySlice<UnsafeMutablePointer<Tensor>>, _ opened: [UnsafeMutablePointer<Float>]) {
      guard let next = rest.first else { return body(opened) }
      next.pointee.withMutableElements { open(rest.dropFirst(), opened + [$0.baseAddress!]) }
    }
    withUnsafeMutableBufferPointer { tensors in
      open(tensors.indices.map { tensors.baseAddress! + $0 }[...], [])
    }
  }
}
