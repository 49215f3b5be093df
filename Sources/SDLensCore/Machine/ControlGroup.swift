import Foundation

/// The groups of processes that this one is in, innermost first, and the limits that a container sets by them.
///
/// Of version 2, where all limits of a group lie in one folder, and of version 1, where each kind has folders of its own.
/// Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and …/cgroup-v1/
package struct ControlGroup {
  /// The group of this process.
  package static let current = ControlGroup(
    root: "/sys/fs/cgroup",
    membership: (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "")

  private let root: String
  /// The path of the group for each kind of limit; of version 2 for the kind ``.
  private let paths: [String: String]

  /// - Parameter membership: lines `number:kind,kind:/path`.
  package init(root: String, membership: String) {
    self.root = root
    var paths = ["": "/"]
    for line in membership.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      for kind in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
        paths[String(kind)] = String(fields[2])
      }
    }
    self.paths = paths
  }

  /// The processors whose time the group may use, the least of all groups around it; nil without a limit.
  package var processors: Double? {
    let quotas =
      folders("").map { text("\($0)/cpu.max") ?? "" }
      + folders("cpu").map {
        "\(text("\($0)/cpu.cfs_quota_us") ?? "") \(text("\($0)/cpu.cfs_period_us") ?? "")"
      }
    return quotas.compactMap { quota in
      let numbers = quota.split(whereSeparator: \.isWhitespace).map { Double($0) }
      guard numbers.count == 2, let time = numbers[0], let period = numbers[1], time > 0, period > 0 else {
        return nil
      }
      return time / period
    }.min()
  }

  /// The bytes that the group may hold, the least of all groups around it; nil without a limit.
  package var memory: Int? { memoryLimits.map(\.limit).min() }

  /// The bytes that the group could still take, files that can be dropped given back; nil without a limit.
  package var memoryLeft: Int? {
    memoryLimits.compactMap { limit, folder in
      guard let used = number("\(folder)/memory.current") ?? number("\(folder)/memory.usage_in_bytes") else {
        return nil
      }
      return limit - used + droppable(folder)
    }.min()
  }

  private var memoryLimits: [(limit: Int, folder: String)] {
    let limits =
      folders("").map { (number("\($0)/memory.max"), $0) }
      + folders("memory").map { (number("\($0)/memory.limit_in_bytes"), $0) }
    // Version 1 says "none" with a number beyond any memory.
    return limits.compactMap { limit, folder in limit.flatMap { $0 < 1 << 60 ? ($0, folder) : nil } }
  }

  private func droppable(_ folder: String) -> Int {
    let lines = (text("\(folder)/memory.stat") ?? "").split(separator: "\n").map { $0.split(separator: " ") }
    return lines.filter { $0.count == 2 && ["active_file", "inactive_file"].contains($0[0]) }
      .compactMap { Int($0[1]) }.reduce(0, +)
  }

  /// The folders of a kind, from the group to the outermost, as far as they can be seen from here.
  private func folders(_ kind: String) -> [String] {
    guard var path = paths[kind] else { return [] }
    let roots = (kind.isEmpty ? ["", "/unified"] : ["/\(kind)", "/cpu,cpuacct"]).map { root + $0 }
    var folders: [String] = []
    while true {
      folders += roots.map { path == "/" ? $0 : $0 + path }
      guard path != "/", let slash = path.lastIndex(of: "/") else { return folders }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
    }
  }

  private func number(_ path: String) -> Int? {
    text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
