import CKernels
import Synchronization

/// A run of weights (F32, F16, BF16, F64 or 8-bit floats) where they lie in a mapped file.
struct MappedElements: Sendable {
  let file: MappedFile
  /// Of the first element, in bytes from the start of the file.
  let offset: Int
  let count: Int
  let type: ElementType

  /// All elements as a float32 tensor; `shape` must have their number.
  func tensor(_ shape: Shape) -> Tensor {
    precondition(shape.count == count, "\(count) elements do not fill \(shape)")
    return converted(0..<count).reshaped(shape)
  }

  /// Calls `body` with the elements of `range` as float32: the file's own memory where that is float32,
  /// else a converted copy, in a buffer of the tensor pool, so that calls in a loop take no fresh memory.
  func withFloats<R>(_ range: Range<Int>, _ body: (UnsafePointer<Float>) throws -> R) rethrows -> R {
    guard type == .f32, isAligned else {
      return try converted(range).withElements { try body($0.baseAddress!) }
    }
    return try withBytes(range) { try body($0.assumingMemoryBound(to: Float.self)) }
  }

  /// All elements as a float32 tensor, for good: their pages in the file give their memory back.
  func copied(_ shape: Shape) -> Tensor {
    defer { file.releasePages(offset..<offset + count * type.size) }
    return tensor(shape)
  }

  private func converted(_ range: Range<Int>) -> Tensor {
    var result = Tensor(uninitialized: [range.count])
    result.withMutableElements { convert(range, to: $0.baseAddress!) }
    return result
  }

  /// Writes the elements of `range` as float32.
  func convert(_ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    withBytes(range) { type.convert($0, range.count, to: target) }
  }

  /// The position and the value of the first element that is NaN or infinite.
  func firstNotFinite() -> (position: Int, value: Float)? {
    let finite = Atomic(true)
    // Each piece only reads; the flag goes one way.
    Parallel.forRanges(count, grain: 1 << 16) { range in
      if finite.load(ordering: .relaxed), !isFinite(range) { finite.store(false, ordering: .relaxed) }
    }
    guard !finite.load(ordering: .relaxed) else { return nil }
    let position = (0..<count).first { !isFinite($0..<$0 + 1) }
    return position.map { ($0, converted($0..<$0 + 1)[0]) }
  }

  private func isFinite(_ range: Range<Int>) -> Bool {
    withBytes(range) { source in
      switch type {
      case .f16: kernel_all_finite_half(source.assumingMemoryBound(to: UInt16.self), range.count)
      case .bf16: kernel_all_finite_bfloat(source.assumingMemoryBound(to: UInt16.self), range.count)
      case .f8e4m3, .f8e5m2:
        (type.bytes ?? []).withUnsafeBufferPointer { values in
          UnsafeRawBufferPointer(start: source, count: range.count).allSatisfy { values[Int($0)].isFinite }
        }
      case .f64:
        // As float32, in which they are used.
        UnsafeBufferPointer(start: source.assumingMemoryBound(to: Double.self), count: range.count)
          .allSatisfy { Float($0).isFinite }
      default: kernel_all_finite_float(source.assumingMemoryBound(to: Float.self), range.count)
      }
    }
  }

  /// One of the equal thirds.
  func third(_ index: Int) -> MappedElements {
    MappedElements(file: file, offset: offset + index * (count / 3) * type.size, count: count / 3, type: type)
  }

  private var isAligned: Bool { offset % type.size == 0 }

  /// Hands out the bytes of `range` at an aligned address: files may put them at odd ones.
  func withBytes<R>(_ range: Range<Int>, _ body: (UnsafeRawPointer) throws -> R) rethrows -> R {
    try file.withBytes { bytes in
      let source = bytes.baseAddress! + offset + range.lowerBound * type.size
      if isAligned { return try body(source) }
      return try withUnsafeTemporaryAllocation(byteCount: range.count * type.size, alignment: 8) { copy in
        copy.copyMemory(from: UnsafeRawBufferPointer(start: source, count: copy.count))
        return try body(copy.baseAddress!)
      }
    }
  }
}

extension ElementType {
  /// Writes `count` weights of this format, which lie at an aligned address, as float32.
  package func convert(_ source: UnsafeRawPointer, _ count: Int, to target: UnsafeMutablePointer<Float>) {
    switch self {
    case .f16: kernel_float_from_half(target, source.assumingMemoryBound(to: UInt16.self), count)
    case .bf16: kernel_float_from_bfloat(target, source.assumingMemoryBound(to: UInt16.self), count)
    case .f8e4m3, .f8e5m2:
      let (values, bytes) = (bytes ?? [], source.assumingMemoryBound(to: UInt8.self))
      values.withUnsafeBufferPointer { values in
        for index in 0..<count { target[index] = values[Int(bytes[index])] }
      }
    case .f64:
      let doubles = source.assumingMemoryBound(to: Double.self)
      for index in 0..<count { target[index] = Float(doubles[index]) }
    default: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * size)
    }
  }

  /// How the product kernels name the format of a weight; nil of one that they do not read.
  var kernelFormat: kernel_format? {
    switch self {
    case .f32: kernel_f32
    case .f16: kernel_f16
    case .bf16: kernel_bf16
    default: nil
    }
  }
}
