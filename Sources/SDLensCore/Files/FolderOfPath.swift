extension String {
  /// The folder in which a path lies, `.` where the path names none. (Foundation's `deletingLastPathComponent` traps on a
  /// path of one letter.)
  package var folderOfPath: String {
    let path = utf8.reversed().drop { $0 == UInt8(ascii: "/") }
    guard !path.isEmpty else { return isEmpty ? "." : "/" }
    let folder = path.drop { $0 != UInt8(ascii: "/") }
    if folder.isEmpty { return "." }
    let kept = folder.drop { $0 == UInt8(ascii: "/") }
    return kept.isEmpty ? "/" : String(decoding: kept.reversed(), as: UTF8.self)
  }
}
