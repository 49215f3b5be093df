import Foundation
import Synchronization

/// The names of files and folders that are not whole yet: `.sdlens-<machine>-<process>-<start>-<number>.tmp`; with
/// `-old.tmp` at the end, of a folder that holds one which is being replaced.
///
/// A name tells who writes it, so that what a killed process has left is known without any lock, which on a shared
/// disk may hold on one machine only. A process removes what is its own machine's and whose writer is gone, and what
/// another machine has left untouched for a day. What was being replaced then goes back to its place.
enum TemporaryName {
  /// Whether a file of that name is not whole yet.
  static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".sdlens-") && name.hasSuffix(".tmp") }

  /// What stands under a temporary name: what is to be, or a folder with what is being replaced.
  enum Content: String { case new = "", old = "-old" }

  /// A name that nobody else uses, in the folder of `path`, where what others have left is removed at first.
  static func make(beside path: String, holds content: Content = .new) -> String {
    let folder = AtomicFile.folder(of: path)
    sweepOnce(folder)
    let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
    return "\(folder)/.sdlens-\(machine)-\(getpid())-\(Writer.own.start)-\(number)\(content.rawValue).tmp"
  }

  /// Looks through a folder, unless this process has done so.
  static func sweepOnce(_ folder: String) {
    if swept.withLock({ $0.insert(folder).inserted }) { sweep(folder) }
  }

  /// Removes what writers that were killed have left in a folder.
  static func sweep(_ folder: String) {
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    var left: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if isTemporary(name) { left.append(name) }
    }
    for name in left where isAbandoned(name, in: folder) {
      let path = "\(folder)/\(name)"
      if name.hasSuffix("\(Content.old.rawValue).tmp") {
        putBack(path)
      } else if unlink(path) != 0 {
        try? FileManager.default.removeItem(atPath: path)
      }
    }
  }

  /// Moves what a folder holds to where it was, beside that folder; removes it if the new one has come there.
  static func putBack(_ aside: String) {
    let folder = AtomicFile.folder(of: aside)
    for name in (try? FileManager.default.contentsOfDirectory(atPath: aside)) ?? []
    where rename("\(aside)/\(name)", "\(folder)/\(name)") != 0 {
      guard errno == ENOTEMPTY || errno == EEXIST else { return }
      try? FileManager.default.removeItem(atPath: "\(aside)/\(name)")
    }
    rmdir(aside)
  }

  /// The folders that this process has looked through.
  private static let swept = Mutex(Set<String>())
  private static let numbers = Atomic(0)

  /// This machine since it was started, and the container that numbers its processes.
  private static let machine: String = {
    var fingerprint = Fingerprint()
    fingerprint.add((text(of: "/proc/sys/kernel/hostname") ?? "").utf8)
    fingerprint.add((text(of: "/proc/sys/kernel/random/boot_id") ?? "").utf8)
    fingerprint.add(
      ((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "").utf8)
    return fingerprint.description
  }()

  private static func isAbandoned(_ name: String, in folder: String) -> Bool {
    let parts = name.dropFirst(".sdlens-".count).dropLast(".tmp".count).split(separator: "-")
    // Names of earlier versions tell nothing; they locked what they wrote.
    guard 4...5 ~= parts.count else { return parts.count == 1 && isUnlocked("\(folder)/\(name)") }
    guard parts[0] == machine, let number = pid_t(parts[1]), let start = Int(parts[2]) else {
      return age(of: "\(folder)/\(name)") > 24 * 60 * 60
    }
    return !Writer(number: number, start: start).isAlive
  }

  private static func isUnlocked(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0
  }

  /// Seconds since a file, or a folder or a file in it, was last written.
  private static func age(of path: String) -> Int {
    let inside = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let times = ([path] + inside.map { "\(path)/\($0)" }).compactMap { path in
      var status = stat()
      return lstat(path, &status) == 0 ? Int(status.st_mtim.tv_sec) : nil
    }
    return time(nil) - (times.max() ?? .max)
  }

  private static func text(of path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

  /// A process of this machine; numbers are used again, the time of its start makes it certain.
  private struct Writer {
    static let own = Writer(number: getpid(), start: status(getpid())?.start ?? 0)

    let number: pid_t
    /// In ticks since the machine was started; 0 where it is unknown.
    let start: Int

    var isAlive: Bool {
      if kill(number, 0) != 0 && errno == ESRCH { return false }
      guard let found = Self.status(number) else { return true }
      return !found.hasEnded && (start == 0 || found.start == start)
    }

    /// What `/proc/<number>/stat` says behind the name of the program, which may hold anything.
    private static func status(_ number: pid_t) -> (hasEnded: Bool, start: Int)? {
      guard let text = text(of: "/proc/\(number)/stat"), let end = text.lastIndex(of: ")") else { return nil }
      let fields = text[end...].split(separator: " ")
      guard fields.count > 20, let start = Int(fields[20]) else { return nil }
      return (fields[1] == "Z" || fields[1] == "X", start)
    }
  }
}
