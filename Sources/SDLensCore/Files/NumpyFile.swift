import Foundation

/// A `.npy` file of numpy: one array of `<f4` or `<f2`, in the order of C.
///
/// Source: numpy's `lib/format.py`: 6 bytes of magic, the version, the length of the header, the header as a Python dict of
/// `descr`, `fortran_order` and `shape`, then the elements.
public enum NumpyFile {
  /// The array where it lies in the file.
  ///
  /// - Throws: `FileError`, `MalformedFile`.
  public static func stored(_ path: String) throws -> StoredTensor {
    let file = try MappedFile(path: path)
    func malformed(_ reason: String) -> MalformedFile { MalformedFile(path: path, reason: reason) }
    let start = try file.withBytes { bytes in
      guard bytes.count >= 12, bytes.starts(with: [0x93] + Array("NUMPY".utf8)), 1...3 ~= bytes[6] else {
        throw malformed("is no .npy file of numpy; write it with numpy.save")
      }
      let long = bytes[6] > 1
      let length = (0..<(long ? 4 : 2)).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
      return (header: long ? 12 : 10, end: (long ? 12 : 10) + length)
    }
    guard start.end <= file.count else { throw malformed("ends within its header; write it again") }
    let header = file.withBytes { String(decoding: $0[start.header..<start.end], as: UTF8.self) }
    func value(_ key: String, _ pattern: String) throws -> Substring {
      let expression = try Regex("'\(key)' *: *\(pattern)")
      guard let found = header.firstMatch(of: expression)?.output[1].substring else {
        throw malformed("has no '\(key)' in its header; write it again with numpy.save")
      }
      return found
    }
    let descr = try value("descr", "'([^']*)'")
    guard let type = ["<f4": ElementType.f32, "<f2": .f16][descr] else {
      throw malformed(
        "holds numbers of the type '\(descr)', but '<f4' or '<f2' is needed; convert them with: x.astype('float32')"
      )
    }
    guard try value("fortran_order", "(True|False)") == "False" else {
      throw malformed(
        "holds its array column by column; write it again with: numpy.save(file, numpy.ascontiguousarray(x))")
    }
    let extents = try value("shape", "\\(([^)]*)\\)").split(separator: ",")
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }.map { Int($0) ?? -1 }
    var size = type.size
    for extent in extents {
      let (product, isTooLarge) = size.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !isTooLarge else { throw malformed("has a shape that makes no sense") }
      size = product
    }
    guard size == file.count - start.end else {
      throw malformed(
        "must have \(size) bytes behind its header, but it has \(file.count - start.end); write it again")
    }
    let shape = Shape(extents)
    return StoredTensor(
      shape: shape,
      elements: MappedElements(file: file, offset: start.end, count: shape.count, type: type))
  }
}
