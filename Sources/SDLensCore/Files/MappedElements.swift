import CKernels
import Synchronization

/// A run of weights (F32, F16 or BF16) where they lie in a mapped file.
struct MappedElements: Sendable {
  let file: MappedFile
  /// Of the first element, in bytes from the start of the file.
  let offset: Int
  let count: Int
  let type: ElementType

  /// The elements themselves, when they are float32 at an address fit for it.
  var floats: UnsafePointer<Float>? {
    type == .f32 && isAligned ? (file.bytes.baseAddress! + offset).assumingMemoryBound(to: Float.self) : nil
  }

  private var isAligned: Bool { offset % type.size == 0 }

  /// Writes the elements of `range` as float32 from `target` on.
  func copy(_ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    withBytes(range) { source in
      switch type {
      case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: range.count * 4)
      case .f16: kernel_float_from_half(target, source.assumingMemoryBound(to: UInt16.self), range.count)
      case .bf16: kernel_float_from_bfloat(target, source.assumingMemoryBound(to: UInt16.self), range.count)
      default: preconditionFailure("\(type) is no weight")
      }
    }
  }

  /// One element.
  func value(_ position: Int) -> Float {
    var value: Float = 0
    copy(position..<position + 1, to: &value)
    return value
  }

  /// All elements as a float32 tensor; `shape` must have their number.
  func tensor(_ shape: Shape) -> Tensor {
    precondition(shape.count == count, "\(count) elements do not fill \(shape)")
    var tensor = Tensor(uninitialized: shape)
    tensor.withMutableElements { elements in
      if let start = elements.baseAddress { copy(0..<count, to: start) }
    }
    return tensor
  }

  /// The position of the first element that is NaN or infinite.
  func firstNotFinite() -> Int? {
    let finite = Atomic(true)
    // Each piece only reads; the flag goes one way.
    Parallel.forRanges(count, grain: 1 << 16) { range in
      if finite.load(ordering: .relaxed), !isFinite(range) { finite.store(false, ordering: .relaxed) }
    }
    return finite.load(ordering: .relaxed) ? nil : (0..<count).first { !isFinite($0..<$0 + 1) }
  }

  private func isFinite(_ range: Range<Int>) -> Bool {
    withBytes(range) { source in
      switch type {
      case .f32: kernel_all_finite_float(source.assumingMemoryBound(to: Float.self), range.count)
      case .f16: kernel_all_finite_half(source.assumingMemoryBound(to: UInt16.self), range.count)
      case .bf16: kernel_all_finite_bfloat(source.assumingMemoryBound(to: UInt16.self), range.count)
      default: preconditionFailure("\(type) is no weight")
      }
    }
  }

  /// Hands out the bytes of `range` at an aligned address: files may put them at odd ones.
  private func withBytes<R>(_ range: Range<Int>, _ body: (UnsafeRawPointer) -> R) -> R {
    defer { withExtendedLifetime(file) {} }
    let source = file.bytes.baseAddress! + offset + range.lowerBound * type.size
    if isAligned { return body(source) }
    return withUnsafeTemporaryAllocation(byteCount: range.count * type.size, alignment: 8) { copy in
      copy.copyMemory(from: UnsafeRawBufferPointer(start: source, count: copy.count))
      return body(copy.baseAddress!)
    }
  }
}
