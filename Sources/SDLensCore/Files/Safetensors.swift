import CPNG

/// A safetensors file, mapped: its header is checked against the file before any tensor is read.
///
/// The format: https://github.com/huggingface/safetensors#format
public struct Safetensors: Sendable {
  /// What the header says of one tensor.
  public struct Entry: Sendable {
    /// Its number format.
    public let type: ElementType
    /// Its extents.
    public let shape: Shape
    /// Its bytes, counted from the start of the file.
    public let range: Range<Int>
  }

  /// The names of all tensors, sorted.
  public let names: [String]
  /// The texts under `__metadata__`.
  public let metadata: [String: String]
  let file: MappedFile
  private let entries: [String: Entry]

  /// Opens a file and checks its header.
  ///
  /// - Throws: `FileError` for what is not a readable file, `MalformedFile` for one of another kind, `SafetensorsError`
  ///   for a damaged one.
  public init(contentsOf path: String) throws {
    file = try MappedFile(path: path)
    let header: SafetensorsHeader
    do {
      header = try SafetensorsHeader(of: file)
    } catch let problem as SafetensorsError {
      // The length of a header that may be read has zeros there: then it is a damaged one.
      let kind = file.withBytes { bytes in
        bytes.count < 8 || bytes[4..<8].contains { $0 != 0 } ? FileKind(bytes) : nil
      }
      guard let kind else { throw problem }
      throw MalformedFile(path: path, reason: kind.besideTensors)
    }
    names = header.entries.keys.sorted()
    metadata = header.metadata
    entries = header.entries
  }

  /// What the header says of a tensor; `nil` when there is none of that name.
  public func entry(_ name: String) -> Entry? { entries[name] }

  /// A float32 copy of a tensor of floats, whatever its values.
  ///
  /// - Throws: `SafetensorsError` when the tensor is missing or of another type.
  public func tensor(_ name: String) throws -> Tensor { try elements(name).tensor(existing(name).shape) }

  /// A copy of an I64 or I32 tensor in row-major order.
  ///
  /// - Throws: `SafetensorsError` when the tensor is missing or of another type.
  public func integers(_ name: String) throws -> [Int64] {
    let entry = try existing(name)
    let starts = stride(from: entry.range.lowerBound, to: entry.range.upperBound, by: entry.type.size)
    return try file.withBytes { bytes in
      switch entry.type {
      case .i64: starts.map { bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self) }
      case .i32: starts.map { Int64(bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self)) }
      default: throw problem(.wrongType(name: name, found: entry.type, needed: "I64 or I32"))
      }
    }
  }

  /// The CRC-32 (that of zlib) of all that follows the header; reads the whole file.
  public func checksum() -> UInt32 {
    let start = entries.values.map(\.range.lowerBound).min() ?? file.count
    return file.withBytes { bytes in
      let data = UnsafeRawBufferPointer(rebasing: bytes[start...])
      return UInt32(crc32_z(0, data.baseAddress?.assumingMemoryBound(to: UInt8.self), data.count))
    }
  }

  /// A tensor of floats where it lies in the file.
  ///
  /// - Throws: `SafetensorsError` when the tensor is missing or of another type.
  public func stored(_ name: String) throws -> StoredTensor {
    StoredTensor(shape: try existing(name).shape, elements: try elements(name))
  }

  /// The bytes of a U8 tensor.
  ///
  /// - Throws: `SafetensorsError` when the tensor is missing or of another type.
  public func bytes(_ name: String) throws -> [UInt8] {
    let entry = try existing(name)
    guard entry.type == .u8 else { throw problem(.wrongType(name: name, found: entry.type, needed: "U8")) }
    return file.withBytes { Array($0[entry.range]) }
  }

  /// The weights of a tensor where they lie.
  func elements(_ name: String) throws -> MappedElements {
    let entry = try existing(name)
    guard entry.type.isWeight else {
      throw problem(.wrongType(name: name, found: entry.type, needed: ElementType.weightList))
    }
    return MappedElements(
      file: file, offset: entry.range.lowerBound, count: entry.shape.count, type: entry.type)
  }

  private func existing(_ name: String) throws -> Entry {
    guard let entry = entries[name] else {
      throw problem(.noTensor(name: name, nearest: names.nearest(to: name)))
    }
    return entry
  }

  private func problem(_ problem: SafetensorsError.Problem) -> SafetensorsError {
    SafetensorsError(path: file.path, problem: problem)
  }
}

/// A tensor of floats in a mapped file, read in pieces.
public struct StoredTensor: Sendable {
  /// The extents.
  public let shape: Shape
  let elements: MappedElements

  /// Writes the elements of a range as float32.
  public func copy(_ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= shape.count, "\(range) of \(shape)")
    elements.convert(range, to: target)
  }

  /// Asks the system to read the elements of a range soon.
  public func prefetch(_ range: Range<Int>) {
    let size = elements.type.size
    elements.file.prefetch(
      elements.offset + range.lowerBound * size..<elements.offset + range.upperBound * size)
  }
}

extension [String] {
  /// The name that begins and ends most like `name`.
  func nearest(to name: String) -> String? {
    func likeness(_ other: String) -> Int {
      zip(name.utf8, other.utf8).prefix { $0 == $1 }.count
        + zip(name.utf8.reversed(), other.utf8.reversed()).prefix { $0 == $1 }.count
    }
    return self.max { likeness($0) < likeness($1) }
  }
}
