import Foundation
import SDLensCore

/// Results that are done, one in each line of a file, so that a measurement that was stopped goes on.
///
/// A line that was not finished, that something else wrote or that was changed is left out and computed again.
public final class ResultCache<Value: Codable> {
  private struct Line: Codable {
    /// Of key and value; lines that were written before it was thought of have none.
    let check: String?
    let key: String
    let value: Value

    init(_ key: String, _ value: Value) throws {
      (self.key, self.value, check) = (key, value, try Self.check(key, value))
    }

    var isWhole: Bool { check == nil || check == (try? Self.check(key, value)) }

    private static func check(_ key: String, _ value: Value) throws -> String {
      var fingerprint = Fingerprint()
      fingerprint.add(Array("\(key)\n".utf8) + (try JSON.line([value])))
      return fingerprint.description
    }
  }

  private var values: [String: Value] = [:]
  private let path: String
  private let file: FileHandle

  /// Opens or makes a file.
  ///
  /// - Throws: `FileError`.
  public init(_ path: String) throws {
    self.path = path
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError.cannotWrite(path: path, code: errno) }
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let isEmpty = lseek(descriptor, 0, SEEK_END) == 0
    let bytes = isEmpty ? Data() : try MappedFile(path: path).withBytes { Data($0) }
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      guard let line = try? JSON.decode(Line.self, from: Data(line)), line.isWhole else { continue }
      values[line.key] = line.value
    }
    // What was not finished ends here.
    if bytes.last ?? UInt8(ascii: "\n") != UInt8(ascii: "\n") { try append([]) }
  }

  /// How many there are.
  public var count: Int { values.count }

  /// Whether a result is there.
  public func has(_ key: String) -> Bool { values[key] != nil }

  /// The result for a key, made only if it is not there.
  public func value(_ key: String, make: () throws -> Value) throws -> Value {
    if let value = values[key] { return value }
    let value = try make()
    try keep(value, as: key)
    return value
  }

  /// The result for a key; nil if it is not there.
  public subscript(key: String) -> Value? { values[key] }

  /// Keeps a result, which is in the file when this returns.
  public func keep(_ value: Value, as key: String) throws {
    try append(JSON.line(Line(key, value)))
    values[key] = value
  }

  /// Writes a line, which is in the file when this returns.
  private func append(_ line: [UInt8]) throws {
    try (line + [UInt8(ascii: "\n")]).withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Foundation.write(
          file.fileDescriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw FileError.writing(path, code: errno) }
        rest = rest.dropFirst(count)
      }
    }
  }
}
