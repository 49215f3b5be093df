import CKernels
import CPNG
import Foundation

extension Safetensors {
  /// A tensor as it is to stand in a file.
  public struct Item {
    /// Its name in the file.
    public let name: String
    fileprivate let shape: Shape
    package let type: ElementType
    /// Its bytes as they are to stand in the file.
    package let withBytes: (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    fileprivate var size: Int { shape.count * type.size }

    /// A float32 tensor, stored as it is.
    public init(_ name: String, _ tensor: Tensor) {
      (self.name, shape, type) = (name, tensor.shape, .f32)
      withBytes = { body in try tensor.withElements { try body(UnsafeRawBufferPointer($0)) } }
    }

    /// A float32 tensor stored in half precision, each value to the nearest.
    ///
    /// - Throws: `BeyondFormat` for a value that half precision cannot hold.
    public init(half tensor: Tensor, _ name: String) throws {
      (self.name, shape, type) = (name, tensor.shape, .f16)
      let halves = try [UInt16](unsafeUninitializedCapacity: tensor.count) { buffer, count in
        count = tensor.count
        guard count > 0 else { return }
        let isWhole = tensor.withElements {
          kernel_half_from_float(buffer.baseAddress!, $0.baseAddress!, $0.count)
        }
        guard !isWhole else { return }
        let index = (0..<count).first { buffer[$0] & 0x7C00 == 0x7C00 }!
        throw BeyondFormat(
          name: name, position: index, value: tensor[index], largest: "half-precision number 65504")
      }
      withBytes = { try halves.withUnsafeBytes($0) }
    }

    /// A float32 tensor stored in bfloat16, each value to the nearest.
    ///
    /// - Throws: `BeyondFormat` for a value that bfloat16 cannot hold.
    public init(bfloat tensor: Tensor, _ name: String) throws {
      (self.name, shape, type) = (name, tensor.shape, .bf16)
      let numbers = NarrowFloats.bfloats(tensor)
      if let index = numbers.firstIndex(where: { $0 & 0x7F80 == 0x7F80 }) {
        throw BeyondFormat(
          name: name, position: index, value: tensor[index], largest: "bfloat16 number 3.3895314e+38")
      }
      withBytes = { try numbers.withUnsafeBytes($0) }
    }

    /// A float32 tensor stored in 8 bits a number (E4M3), each value of a row divided by the scale of the row and then
    /// to the nearest.
    ///
    /// - Parameter scales: of each row, as `NarrowFloats.scales` finds them.
    public init(eightBits tensor: Tensor, scales: [Float], _ name: String) {
      (self.name, shape, type) = (name, tensor.shape, .f8e4m3)
      let numbers = NarrowFloats.eightBits(tensor, scales: scales)
      withBytes = { try numbers.withUnsafeBytes($0) }
    }

    /// Whole numbers, as I32.
    public init(_ name: String, _ numbers: [Int32], _ shape: Shape) {
      precondition(numbers.count == shape.count, "\(numbers.count) numbers do not fill \(shape)")
      (self.name, self.shape, type) = (name, shape, .i32)
      withBytes = { try numbers.withUnsafeBytes($0) }
    }

    /// Bytes, as U8.
    public init(_ name: String, _ bytes: [UInt8], _ shape: Shape) {
      precondition(bytes.count == shape.count, "\(bytes.count) bytes do not fill \(shape)")
      (self.name, self.shape, type) = (name, shape, .u8)
      withBytes = { try bytes.withUnsafeBytes($0) }
    }

    /// Whole numbers, as I64.
    public init(_ name: String, _ numbers: [Int64], _ shape: Shape) {
      precondition(numbers.count == shape.count, "\(numbers.count) numbers do not fill \(shape)")
      (self.name, self.shape, type) = (name, shape, .i64)
      withBytes = { try numbers.withUnsafeBytes($0) }
    }
  }

  /// Writes float32 tensors to a file, in the order given and always as the same bytes.
  ///
  /// - Throws: `FileError` when the folder or the disk does not take the file.
  public static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to path: String
  ) throws {
    try write(tensors.map { Item($0.name, $0.tensor) }, metadata: metadata, to: path)
  }

  /// Writes tensors to a file, in the order given and always as the same bytes.
  ///
  /// The header is padded with spaces to a multiple of 8 bytes, as the reference implementation does;
  /// with names in alphabetical order the two write the same file.
  ///
  /// - Parameter items: tensors, each name once.
  /// - Throws: `FileError` when the folder or the disk does not take the file.
  public static func write(_ items: [Item], metadata: [String: String] = [:], to path: String) throws {
    precondition(Set(items.map(\.name)).count == items.count, "a name is given twice")
    let header = try header(of: items, metadata)
    let size = 8 + header.count + items.reduce(0) { $0 + $1.size }
    try AtomicFile.write(to: path, byteCount: size) { file in
      try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.append($0) }
      try file.append(header)
      for item in items { try item.withBytes { try file.append($0) } }
    }
  }

  /// The CRC-32 (that of zlib) of the data that follows the header of a file of these tensors.
  public static func checksum(of items: [Item]) throws -> UInt32 {
    var sum: UInt = crc32_z(0, nil, 0)
    for item in items {
      try item.withBytes { sum = crc32_z(sum, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count) }
    }
    return UInt32(sum)
  }

  private static func header(of items: [Item], _ metadata: [String: String]) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func json(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var fields = metadata.isEmpty ? [] : [#""__metadata__":"# + (try json(metadata))]
    var end = 0
    for item in items {
      let start = end
      end += item.size
      fields.append(
        try json(item.name) + #":{"dtype":"\#(item.type.rawValue)","shape":"#
          + (try json(item.shape.extents)) + #","data_offsets":"# + (try json([start, end])) + "}")
    }
    let text = Array("{\(fields.joined(separator: ","))}".utf8)
    return text + Array(repeating: UInt8(ascii: " "), count: -text.count & 7)
  }
}

/// A value that a number format cannot hold.
public struct BeyondFormat: UserError {
  let name: String
  let position: Int
  let value: Float
  let largest: String
  /// The tensor, the value and what to do.
  public var description: String {
    "'\(name)' holds \(value) at position \(position), beyond the largest \(largest); store it as float32"
  }
}
