import Foundation

extension Safetensors {
  /// Writes float32 tensors to a file, in the order given and always as the same bytes.
  ///
  /// The header is padded with spaces to a multiple of 8 bytes, as the reference implementation does;
  /// with names in alphabetical order the two write the same file.
  ///
  /// - Parameter tensors: names (each once) and tensors.
  /// - Throws: `FileError` when the folder or the disk does not take the file.
  public static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to path: String
  ) throws {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "a name is given twice")
    let header = try header(of: tensors, metadata)
    let size = 8 + header.count + tensors.reduce(0) { $0 + $1.tensor.count * 4 }
    try AtomicFile.write(to: path, byteCount: size) { file in
      try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.append($0) }
      try file.append(header)
      for (_, tensor) in tensors {
        try tensor.withElements { try file.append(UnsafeRawBufferPointer($0)) }
      }
    }
  }

  private static func header(
    of tensors: [(name: String, tensor: Tensor)], _ metadata: [String: String]
  ) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func json(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var fields = metadata.isEmpty ? [] : [#""__metadata__":"# + (try json(metadata))]
    var end = 0
    for (name, tensor) in tensors {
      let start = end
      end += tensor.count * 4
      fields.append(
        try json(name) + #":{"dtype":"F32","shape":"# + (try json(tensor.shape.extents))
          + #","data_offsets":"# + (try json([start, end])) + "}")
    }
    let text = Array("{\(fields.joined(separator: ","))}".utf8)
    return text + Array(repeating: UInt8(ascii: " "), count: -text.count & 7)
  }
}
