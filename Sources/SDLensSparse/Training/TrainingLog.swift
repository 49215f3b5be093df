import Foundation
import SDLensCore

/// The reports of a training, a line of JSON each, appended to a file.
///
/// No line stands there twice: when a training is resumed, what was written after its checkpoint is cut off first, and of
/// two processes that train the same at once, each writes its lines, which are the same, to their own place.
public final class TrainingLog {
  private let path: String
  /// All of the file.
  private var text: Data

  /// Opens or makes the file and keeps its lines up to a step, 0 for a new training.
  ///
  /// A last line that was not written to its end is cut off too.
  ///
  /// - Throws: `FileError` when the file cannot be written, `MalformedFile` for a line that is no report.
  public init(path: String, keepingUpTo step: Int) throws {
    self.path = path
    text = Data()
    text = try withFile { descriptor in
      guard let found = FileManager.default.contents(atPath: path) else {
        throw FileError.cannotRead(path: path, code: errno)
      }
      let kept = try Self.lines(of: found, upTo: step, path)
      guard kept.count == found.count || ftruncate(descriptor, off_t(kept.count)) == 0 else {
        throw FileError.cannotWrite(path: path, code: errno)
      }
      return kept
    }
  }

  private func withFile<Result>(_ body: (Int32) throws -> Result) throws -> Result {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError.writing(path, code: errno) }
    defer { close(descriptor) }
    return try body(descriptor)
  }

  /// All lines up to a step.
  private static func lines(of data: Data, upTo step: Int, _ path: String) throws -> Data {
    struct Line: Decodable { let step: Int }
    var length = 0
    var number = 0
    // A zero is what another process, which cut the file meanwhile, has not written anew.
    while let end = data[length...].firstIndex(of: UInt8(ascii: "\n")), data[length] != 0 {
      number += 1
      guard let line = try? JSONDecoder().decode(Line.self, from: data[length..<end]) else {
        throw MalformedFile(path: path, reason: "is not a log of training: line \(number) is no report")
      }
      if line.step > step { break }
      length = end + 1
    }
    return data[..<length]
  }

  /// Appends a line for each report.
  ///
  /// - Throws: `FileError` when the disk does not take them.
  public func append(_ reports: [StepReport]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let start = text.count
    for report in reports { text += try encoder.encode(report) + [UInt8(ascii: "\n")] }
    try withFile { descriptor in
      try text[start...].withUnsafeBytes { bytes in
        var done = 0
        while done < bytes.count {
          let count = pwrite(
            descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(start + done))
          if count < 0 && errno == EINTR { continue }
          guard count >= 0 else { throw FileError.cannotWrite(path: path, code: errno) }
          done += count
        }
      }
    }
  }

  /// Makes the file whole, where another process has cut it or left it longer.
  ///
  /// - Throws: `FileError` when the disk does not take it.
  public func save() throws {
    guard FileManager.default.contents(atPath: path) != text else { return }
    try AtomicFile.write(to: path, byteCount: text.count) { file in
      try text.withUnsafeBytes { try file.append($0) }
    }
  }

  /// The reports in a file, in order.
  ///
  /// - Throws: `FileError` when it cannot be read, `MalformedFile` for a line that is no report.
  public static func reports(in path: String) throws -> [StepReport] {
    try TextFile(path).lines.enumerated().filter { !$0.element.isBlank }.map { index, line in
      do {
        return try JSONDecoder().decode(StepReport.self, from: Data(line.utf8))
      } catch {
        throw MalformedFile(path: path, reason: "is not a log of training: line \(index + 1) is no report")
      }
    }
  }
}
