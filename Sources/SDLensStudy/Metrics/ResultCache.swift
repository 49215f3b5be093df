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
  private let file: FileHandle

  /// Opens or makes a file.
  public init(_ path: String) throws {
    for line in (try? TextFile(path))?.lines ?? [] {
      guard let line = try? JSON.decode(Line.self, from: Data(line.utf8)), line.isWhole else { continue }
      values[line.key] = line.value
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError.cannotWrite(path: path, code: errno) }
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    // What was not finished ends here.
    try file.write(contentsOf: Data("\n".utf8))
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
    try file.write(contentsOf: Data(JSON.line(Line(key, value)) + [UInt8(ascii: "\n")]))
    values[key] = value
  }
}
