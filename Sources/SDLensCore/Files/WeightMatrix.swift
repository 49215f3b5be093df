import CKernels

/// A matrix `[rows, columns]` where it lies in its file, in its own format.
public struct WeightMatrix: Sendable {
  private enum Storage {
    /// In a format that the kernels read.
    case mapped(MappedElements)
    case memory(Tensor)
    /// What is float32 only as long as it is used: 8-bit floats, or weights to which something is added.
    case derived(MappedElements, [LowRankUpdate])
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

  /// - Parameter updates: what is added whenever the matrix is read.
  init(_ elements: MappedElements, _ shape: Shape, updates: [LowRankUpdate] = []) {
    let isPlain = updates.isEmpty && elements.type.kernelFormat != nil
    self.init(shape, isPlain ? .mapped(elements) : .derived(elements, updates))
  }

  private init(_ shape: Shape, _ storage: Storage) {
    rows = shape.extents.first ?? 1
    columns = shape.extents.dropFirst().reduce(1, *)
    self.storage = storage
  }

  /// The format in which the elements are stored.
  public var type: ElementType {
    switch storage {
    case .mapped(let elements), .derived(let elements, _): elements.type
    case .memory: .f32
    }
  }

  /// The same matrix as the kernels read it; what is derived is computed now, and gone with the result.
  var readable: WeightMatrix {
    guard case .derived = storage else { return self }
    return WeightMatrix(tensor())
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
        let format = elements.type.kernelFormat ?? kernel_f32
        return body(kernel_weights(elements: $0, format: format, outputs: rows, depth: columns))
      }
    case .derived: readable.withKernelWeights(body)
    }
  }

  /// Calls `body` with the rows of `range` as float32, `columns` apart.
  ///
  /// They are the file's own memory where that is float32, else a converted copy in a reused buffer.
  public func withRows<R>(
    _ range: Range<Int>, _ body: (UnsafePointer<Float>) throws -> R
  ) rethrows -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    let elements = range.lowerBound * columns..<range.upperBound * columns
    return switch storage {
    case .memory(let tensor):
      try tensor.withElements { try body($0.baseAddress! + elements.lowerBound) }
    case .mapped(let mapped):
      try mapped.withFloats(elements, body)
    case .derived(let mapped, let updates):
      try mapped.withFloats(elements) { source in
        var sum = Tensor(uninitialized: [elements.count])
        sum.withMutableElements { sum in
          sum.baseAddress!.update(from: source, count: elements.count)
          for update in updates { update.add(range, to: sum.baseAddress!) }
        }
        return try sum.withElements { try body($0.baseAddress!) }
      }
    }
  }

  /// The whole matrix as a float32 tensor `[rows, columns]`.
  public func tensor() -> Tensor {
    switch storage {
    case .mapped(let elements): return elements.copied([rows, columns])
    case .memory(let tensor): return tensor.reshaped([rows, columns])
    case .derived(let elements, let updates):
      var sum = elements.tensor([rows, columns])
      sum.withMutableElements { sum in
        let sum = sum.baseAddress!
        // Disjoint: each piece adds to its own rows.
        Parallel.forRanges(rows, grain: max(1, 1 << 14 / max(1, columns))) { range in
          for update in updates { update.add(range, to: sum + range.lowerBound * columns) }
        }
      }
      return sum
    }
  }
}
