import CKernels
import SDLensCore

/// A run of numbers in a torch file, by the name of its member.
package struct TorchStorage {
  /// The classes of storages, named as in `torch`.
  package enum Element: String, CaseIterable {
    case float = "FloatStorage"
    case half = "HalfStorage"
    case bfloat = "BFloat16Storage"
    case double = "DoubleStorage"
    case long = "LongStorage"
    case int = "IntStorage"
    case short = "ShortStorage"
    case char = "CharStorage"
    case byte = "ByteStorage"
    case bool = "BoolStorage"

    /// Bytes of one element.
    var size: Int {
      switch self {
      case .double, .long: 8
      case .float, .int: 4
      case .half, .bfloat, .short: 2
      case .char, .byte, .bool: 1
      }
    }
  }

  package let element: Element
  /// The name of the member below `data/`.
  package let key: String
  /// The number of elements.
  package let count: Int

  /// Reads the tuple ("storage", class, key, location, number of elements); where the numbers lay when they
  /// were saved (`cpu`, `cuda:0`) does not matter. A storage of complex numbers and the like is named, not read.
  static func named(_ id: Pickle) throws -> Pickle {
    let unknown = Pickle.Problem.malformed("it describes a storage in an unknown way")
    guard let parts = id.tuple, parts.count == 5, parts[0].string == "storage",
      let key = parts[2].string, parts[3].string != nil, let count = parts[4].int, count >= 0
    else { throw unknown }
    switch parts[1] {
    case .global(.plain(let name)): return .other("a \(name)")
    case .global(.storage(let element)) where !count.multipliedReportingOverflow(by: element.size).overflow:
      return .storage(TorchStorage(element: element, key: key, count: count))
    default: throw unknown
    }
  }
}

/// A view of a storage: element (i, j, …) lies at `offset + i · strides[0] + j · strides[1] + …`.
package struct TorchTensor {
  package let storage: TorchStorage
  package let offset: Int
  package let sizes: [Int]
  package let strides: [Int]

  /// Reads the arguments (storage, offset, sizes, strides, requires_grad, hooks[, metadata]) and checks that the
  /// view stays within its storage. It may have more elements than that, as those of `expand` do, up to `mostRepeated`.
  init(arguments: [Pickle]) throws {
    guard arguments.count >= 4, case .storage(let storage) = arguments[0], let offset = arguments[1].int,
      let sizes = arguments[2].tuple?.map(\.int), let strides = arguments[3].tuple?.map(\.int)
    else { throw Pickle.Problem.malformed("it describes a tensor in an unknown way") }
    // {"neg": True}: what is stored is the opposite of what it means.
    guard arguments.count < 7 || arguments[6].dictionary?.values.isEmpty ?? true else {
      throw Pickle.Problem.malformed("a tensor is a negative or conjugate view; save a clone of it")
    }
    self.init(
      storage: storage, offset: offset, sizes: sizes.compactMap(\.self), strides: strides.compactMap(\.self))
    guard self.sizes.count == sizes.count, self.strides.count == sizes.count, sizes.count <= 8,
      isWithinStorage
    else {
      throw Pickle.Problem.malformed(
        "a tensor of sizes \(self.sizes), strides \(self.strides) and offset \(offset) does not lie within its "
          + "storage of \(storage.count) elements")
    }
  }

  private init(storage: TorchStorage, offset: Int, sizes: [Int], strides: [Int]) {
    (self.storage, self.offset, self.sizes, self.strides) = (storage, offset, sizes, strides)
  }

  /// So many elements may stand in a file of a few: 256 MB of them.
  private static let mostRepeated = 1 << 26

  private var isWithinStorage: Bool {
    guard offset >= 0, offset <= storage.count, (sizes + strides).allSatisfy({ $0 >= 0 }) else {
      return false
    }
    var (count, last) = (1, offset)
    for size in sizes {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else { return false }
      count = product
    }
    guard count > 0 else { return true }
    for (size, stride) in zip(sizes, strides) {
      let (step, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, further) = last.addingReportingOverflow(step)
      guard !overflow, !further else { return false }
      last = sum
    }
    return count <= max(storage.count, Self.mostRepeated) && last < storage.count
  }

  /// The extents.
  var shape: Shape { Shape(sizes) }

  /// A matrix seen the other way round: nothing moves.
  package var transposed: TorchTensor {
    precondition(sizes.count == 2)
    return TorchTensor(storage: storage, offset: offset, sizes: sizes.reversed(), strides: strides.reversed())
  }

  /// Whether `tensor` rounds.
  package var isDouble: Bool { storage.element == .double }

  /// The elements as float32, each one exactly or, of 64 bits, to the nearest; nil when they are no floats.
  func tensor(_ bytes: [UInt8]) -> Tensor? {
    var all = Tensor(uninitialized: [storage.count])
    guard fill(&all, from: bytes) else { return nil }
    if offset == 0 && shape.count == storage.count && isRowMajor { return all.reshaped(shape) }
    var result = Tensor(uninitialized: shape)
    result.withMutableElements { y in
      all.withElements { x in forEachPlace { y[$0] = x[$1] } }
    }
    return result
  }

  /// The elements of a whole-number tensor; nil when it is none of 32 or 64 bits.
  func integers(_ bytes: [UInt8]) -> [Int64]? {
    var result = [Int64](repeating: 0, count: shape.count)
    bytes.withUnsafeBytes { bytes in
      forEachPlace { place, source in
        result[place] =
          storage.element == .int
          ? Int64(bytes.loadUnaligned(fromByteOffset: source * 4, as: Int32.self))
          : storage.element == .long ? bytes.loadUnaligned(fromByteOffset: source * 8, as: Int64.self) : 0
      }
    }
    return storage.element == .int || storage.element == .long ? result : nil
  }

  private func fill(_ floats: inout Tensor, from bytes: [UInt8]) -> Bool {
    let count = storage.count
    guard count > 0 else { return true }
    return floats.withMutableElements { y in
      // An array of bytes begins at an address fit for any number.
      bytes.withUnsafeBytes { bytes in
        switch storage.element {
        case .float: UnsafeMutableRawBufferPointer(y).copyMemory(from: bytes)
        case .half:
          kernel_float_from_half(y.baseAddress!, bytes.bindMemory(to: UInt16.self).baseAddress!, count)
        case .bfloat:
          kernel_float_from_bfloat(y.baseAddress!, bytes.bindMemory(to: UInt16.self).baseAddress!, count)
        case .double:
          for (index, value) in bytes.bindMemory(to: Double.self).enumerated() { y[index] = Float(value) }
        default: return false
        }
        return true
      }
    }
  }

  private var isRowMajor: Bool {
    var step = 1
    for (size, stride) in zip(sizes, strides).reversed() where size != 1 {
      guard stride == step else { return false }
      step *= size
    }
    return true
  }

  /// Calls `body` with every row-major position and where its element lies in the storage.
  private func forEachPlace(_ body: (_ place: Int, _ source: Int) -> Void) {
    let count = shape.count
    guard count > 0 else { return }
    let (width, step) = (sizes.last ?? 1, strides.last ?? 0)
    var index = [Int](repeating: 0, count: sizes.count)
    var start = offset
    for row in 0..<count / width {
      for column in 0..<width { body(row * width + column, start + column * step) }
      // The next row: the last outer axis that is not at its end goes on, those behind it begin again.
      for axis in (0..<max(0, sizes.count - 1)).reversed() {
        index[axis] += 1
        start += strides[axis]
        guard index[axis] == sizes[axis] else { break }
        start -= sizes[axis] * strides[axis]
        index[axis] = 0
      }
    }
  }
}
