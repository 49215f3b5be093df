import Foundation

/// The header of a safetensors file: a length (8 bytes, little-endian) and that many bytes of JSON,
/// `{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "text"}}`.
///
/// Offsets count from the end of the header. As in the reference implementation, the tensors fill the
/// rest of the file without overlap and without a hole, so that no byte is read twice or unseen.
/// (A name given twice with different offsets leaves a hole too.)
struct SafetensorsHeader {
  /// The reference implementation's limit in bytes.
  static let longest = 100_000_000

  let metadata: [String: String]
  private(set) var entries: [String: Safetensors.Entry] = [:]

  /// Reads the header of `file` and checks it against the file's size.
  init(of file: MappedFile) throws {
    do {
      let text = try file.withBytes(Self.text)
      let fields = try JSON.decode(SafetensorsFields.self, from: text)
      metadata = fields.metadata
      try place(fields.tensors, in: 8 + text.count..<file.count)
    } catch let problem as JSON.Problem {
      throw SafetensorsError(path: file.path, problem: .headerMalformed(problem.reason))
    } catch let problem as SafetensorsError.Problem {
      throw SafetensorsError(path: file.path, problem: problem)
    }
  }

  /// The JSON text, a copy.
  private static func text(in bytes: UnsafeRawBufferPointer) throws -> Data {
    typealias Problem = SafetensorsError.Problem
    guard bytes.count >= 8 else { throw Problem.tooShort(size: bytes.count) }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(longest) else { throw Problem.headerTooLong(length: length) }
    guard Int(length) <= bytes.count - 8 else {
      throw Problem.headerPastEnd(length: length, size: bytes.count)
    }
    let text = bytes[8..<8 + Int(length)]
    guard String(validating: text, as: UTF8.self) != nil else { throw Problem.headerNotText }
    // JSON's white space may stand before; a byte-order mark may not.
    let first = text.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    guard first == UInt8(ascii: "{") else { throw Problem.headerNotObject }
    return Data(text)
  }

  /// Gives each tensor its bytes of the file; `data` is the part of the file behind the header.
  private mutating func place(_ tensors: [String: SafetensorsFields.Field], in data: Range<Int>) throws {
    typealias Problem = SafetensorsError.Problem
    var end = 0
    let fields = try tensors.map { try $1.checked(name: $0) }
    for field in fields.sorted(by: { ($0.start, $0.end, $0.name) < ($1.start, $1.end, $1.name) }) {
      guard field.start >= end else {
        throw Problem.overlap(name: field.name, start: field.start, previousEnd: end)
      }
      guard field.start == end else {
        throw Problem.hole(name: field.name, start: field.start, previousEnd: end)
      }
      end = field.end
      guard end <= data.count else { break }
      entries[field.name] = Safetensors.Entry(
        type: field.type, shape: field.shape, range: data.lowerBound + field.start..<data.lowerBound + end)
    }
    guard end == data.count else { throw Problem.wrongEnd(dataSize: data.count, needed: end) }
  }
}
