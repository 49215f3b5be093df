import CKernels

/// A matrix `[rows, columns]` where it lies in its file, in its own format.
public struct WeightMatrix: Sendable {
  private enum Storage {
    case mapped(MappedElements)
    case memory(Tensor)
  }

  /// The number of rows: outputs, in a linear layer.
  public let rows: Int
  /// The number of columns: inputs, in a linear layer.
  public let columns: Int
  private let storage: Storage

  /// A float32 matrix in memory: the tensor's first axis, and all others as one.
  public init(_ tensor: Tensor) {
    self.init(tensor.shape, .memory(tensor))
  }

  init(_ elements: MappedElements, _ shape: Shape) {
    self.init(shape, .mapped(elements))
  }

  private init(_ shape: Shape, _ storage: Storage) {
    rows = shape[0]
    columns = shape.extents.dropFirst().reduce(1, *)
    self.storage = storage
  }

  /// The format in which the elements are stored.
  public var type: ElementType {
    switch storage {
    case .mapped(let elements): elements.type
    case .memory: .f32
    }
  }

  /// Calls `body` with the matrix where it lies, in the format in which it lies there.
  func withKernelWeights<R>(_ body: (kernel_weights) -> R) -> R {
    switch storage {
    case .memory(let tensor):
      tensor.withElements {
        body(kernel_weights(elements: $0.baseAddress!, format: kernel_f32, outputs: rows, depth: columns))
      }
    case .mapped(let elements):
      elements.withBytes(0..<elements.count) {
        body(kernel_weights(elements: $0, format: elements.type.kernelFormat, outputs: rows, depth: columns))
      }
    }
  }

  /// Calls `body` with the rows of `range` as float32, `columns` apart.
  ///
  /// They are the file's own memory where that is float32, else a converted copy in a reused buffer.
  public func withRows<R>(
    _ range: Range<Int>, _ body: (UnsafePointer<Float>) throws -> R
  ) rethrows -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return switch storage {
    case .memory(let tensor):
      try tensor.withElements { try body($0.baseAddress! + range.lowerBound * columns) }
    case .mapped(let elements):
      try elements.withFloats(range.lowerBound * columns..<range.upperBound * columns, body)
    }
  }

  /// The whole matrix as a float32 tensor `[rows, columns]`.
  public func tensor() -> Tensor {
    switch storage {
    case .mapped(let elements): elements.copied([rows, columns])
    case .memory(let tensor): tensor.reshaped([rows, columns])
    }
  }
}
