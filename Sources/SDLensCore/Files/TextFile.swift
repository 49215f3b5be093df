import Foundation

/// A text in UTF-8, from a file or a pipe, without a byte-order mark.
package struct TextFile: Sendable {
  /// Where it came from.
  package let path: String
  /// All of it.
  package let text: String

  /// The byte-order mark.
  static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
  /// The most bytes of a file, or of what comes through a pipe.
  package static let longest = 1 << 30

  /// Reads a file, or all that comes through a pipe; `-` is the standard input.
  ///
  /// - Throws: `FileError`, `MalformedFile` when it is not UTF-8.
  package init(_ path: String) throws { try self.init(Self.bytes(of: path), from: path) }

  /// All bytes of a file, or all that come through a pipe; `-` is the standard input.
  ///
  /// - Throws: `FileError`, `MalformedFile` for more than are read.
  package static func bytes(of path: String) throws -> [UInt8] {
    try isPipe(path) ? drained(path) : whole(path)
  }

  /// Reads the bytes that came from a path.
  ///
  /// - Throws: `MalformedFile` when they are not UTF-8.
  package init(_ bytes: [UInt8], from path: String) throws {
    self.path = path
    let start = bytes.starts(with: Self.mark) ? Self.mark.count : 0
    let kind = bytes.withUnsafeBytes { FileKind($0) }
    guard kind != .wideText, let text = String(validating: bytes[start...], as: UTF8.self) else {
      throw MalformedFile(path: path, reason: kind?.besideText ?? "is not UTF-8 text; save it as UTF-8")
    }
    self.text = text
  }

  /// Its lines, which end at LF, CRLF or CR and nowhere else, as those of Python's `open` do; the last need not end.
  package var lines: [Substring] {
    var lines: [Substring] = []
    let bytes = text.utf8
    var (start, index) = (bytes.startIndex, bytes.startIndex)
    while index < bytes.endIndex {
      let byte = bytes[index]
      var next = bytes.index(after: index)
      if byte == 0x0A || byte == 0x0D {
        if byte == 0x0D, next < bytes.endIndex, bytes[next] == 0x0A { next = bytes.index(after: next) }
        lines.append(text[start..<index])
        start = next
      }
      index = next
    }
    if start < bytes.endIndex { lines.append(text[start...]) }
    return lines
  }

  /// Whether a path stands for something that can be read only once.
  package static func isPipe(_ path: String) -> Bool {
    var status = stat()
    guard path != "-" else { return true }
    guard stat(path, &status) == 0 else { return false }
    return [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) || path == "/dev/stdin" && isatty(0) == 1
  }

  private static func whole(_ path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.count <= longest else {
      throw MalformedFile(
        path: path, reason: "has \(file.count) bytes, but at most \(longest) of text are read; split it")
    }
    return file.withBytes(Array.init)
  }

  private static func drained(_ path: String) throws -> [UInt8] {
    let descriptor =
      path == "-" || path == "/dev/stdin" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.cannotRead(path: path, code: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileError.cannotRead(path: path, code: errno) }
      guard count > 0 else { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= longest else {
        throw MalformedFile(
          path: path, reason: "gives more than \(longest) bytes, the most that are read as text; split them")
      }
    }
  }
}

extension Substring {
  /// Whether there is nothing but spaces and tabs.
  package var isBlank: Bool { utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 } }
}
