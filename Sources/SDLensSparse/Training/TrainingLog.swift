import Foundation
import SDLensCore

/// The reports of a training, a line of JSON each, appended to a file.
///
/// No line stands there twice: when a training is resumed, what was written after its checkpoint is cut off first.
public final class TrainingLog {
  private let path: String
  private let descriptor: Int32

  /// Opens or makes the file and keeps its lines up to a step, 0 for a new training.
  ///
  /// A last line that was not written to its end is cut off too.
  ///
  /// - Throws: `FileError` when the file cannot be written, `MalformedFile` for a line that is no report.
  public init(path: String, keepingUpTo step: Int) throws {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0o666)
    guard descriptor >= 0 else { throw FileError.cannotWrite(path: path, code: errno) }
    let kept = try Self.lengthOfLines(path, upTo: step)
    guard ftruncate(descriptor, off_t(kept)) == 0 else {
      throw FileError.cannotWrite(path: path, code: errno)
    }
  }

  deinit { close(descriptor) }

  /// The bytes of all lines up to a step.
  private static func lengthOfLines(_ path: String, upTo step: Int) throws -> Int {
    struct Line: Decodable { let step: Int }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FileError.cannotRead(path: path, code: errno)
    }
    var length = 0
    var number = 0
    while let end = data[length...].firstIndex(of: UInt8(ascii: "\n")) {
      number += 1
      guard let line = try? JSONDecoder().decode(Line.self, from: data[length..<end]) else {
        throw MalformedFile(path: path, reason: "is not a log of training: line \(number) is no report")
      }
      if line.step > step { break }
      length = end + 1
    }
    return length
  }

  /// Appends a line for each report.
  ///
  /// - Throws: `FileError` when the disk does not take them.
  public func append(_ reports: [StepReport]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    var text = Data()
    for report in reports { text += try encoder.encode(report) + [UInt8(ascii: "\n")] }
    try text.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
        let count = write(descriptor, start, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw FileError.cannotWrite(path: path, code: errno) }
        rest = rest.dropFirst(count)
      }
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
