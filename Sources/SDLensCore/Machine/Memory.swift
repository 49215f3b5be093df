import Foundation

/// The memory of the machine and of this process, in bytes.
public enum Memory {
  /// What the machine, or the container around this process, has.
  public static var total: Int {
    min(field("MemTotal", of: "/proc/meminfo") ?? 0, limit ?? .max)
  }

  /// What this process could still take without pushing something else out.
  public static var available: Int {
    let machine = field("MemAvailable", of: "/proc/meminfo") ?? 0
    guard let limit, let used = number(in: "memory.current") else { return machine }
    return min(machine, limit - used)
  }

  /// The most that this process has held at one time, mapped files included.
  public static var peak: Int { field("VmHWM", of: "/proc/self/status") ?? 0 }

  /// What this process holds now, mapped files included.
  public static var resident: Int { field("VmRSS", of: "/proc/self/status") ?? 0 }

  /// The limit of the control group, where there is one.
  private static var limit: Int? { number(in: "memory.max") }

  private static func number(in file: String) -> Int? {
    (try? String(contentsOfFile: "/sys/fs/cgroup/" + file, encoding: .utf8)).flatMap {
      Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
    }
  }

  /// A line `name:   1234 kB`.
  private static func field(_ name: String, of path: String) -> Int? {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
