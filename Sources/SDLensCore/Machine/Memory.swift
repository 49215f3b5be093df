import Foundation

/// The memory of the machine and of this process, in bytes.
public enum Memory {
  /// What the machine, or the container around this process, has.
  public static var total: Int {
    min(field("MemTotal", of: "/proc/meminfo") ?? 0, ControlGroup.current.memory ?? .max)
  }

  /// What this process could still take without pushing something else out.
  public static var available: Int {
    min(field("MemAvailable", of: "/proc/meminfo") ?? 0, ControlGroup.current.memoryLeft ?? .max)
  }

  /// What this process could take until the system ends it; nil where that cannot be told.
  static var limit: Int? {
    let swap = field("SwapFree", of: "/proc/meminfo") ?? 0
    let machine = field("MemAvailable", of: "/proc/meminfo").map { $0 + swap }
    return [machine, ControlGroup.current.memoryLeft.map { $0 + swap }].compactMap(\.self).min()
  }

  /// The most that this process has held at one time, mapped files included.
  public static var peak: Int { field("VmHWM", of: "/proc/self/status") ?? 0 }

  /// What this process holds now, mapped files included.
  public static var resident: Int { field("VmRSS", of: "/proc/self/status") ?? 0 }

  /// A line `name:   1234 kB`.
  private static func field(_ name: String, of path: String) -> Int? {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
