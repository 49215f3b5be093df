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
  package static var limit: Int? {
    let swap = field("SwapFree", of: "/proc/meminfo") ?? 0
    let machine = field("MemAvailable", of: "/proc/meminfo").map { $0 + swap }
    return [machine, ControlGroup.current.memoryLeft.map { $0 + swap }].compactMap(\.self).min()
  }

  /// The addresses that this process may still use, of memory and mapped files; nil without a limit.
  package static var addressesLeft: Int? { left(RLIMIT_AS, used: "VmSize") }

  /// The memory that this process may still write to; nil without a limit.
  package static var dataLeft: Int? { left(RLIMIT_DATA, used: "VmData") }

  private static func left(_ resource: __rlimit_resource, used: String) -> Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0,
      let bytes = Int(exactly: limit.rlim_cur), let used = field(used, of: "/proc/self/status")
    else { return nil }
    return max(0, bytes - used)
  }

  /// The most that this process has held at one time, mapped files included.
  public static var peak: Int { field("VmHWM", of: "/proc/self/status") ?? 0 }

  /// What this process holds now, mapped files included.
  public static var resident: Int { field("VmRSS", of: "/proc/self/status") ?? 0 }

  /// As in `12 MiB`, rounded up.
  package static func mebibytes(_ bytes: Int) -> String { "\(max(0, bytes + (1 << 20) - 1) >> 20) MiB" }

  /// A line `name:   1234 kB`.
  private static func field(_ name: String, of path: String) -> Int? {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
