import Foundation

/// Numbers with units, as people read them.
public enum Units {
  /// As in `12.7 MB` (millions, not 2²⁰).
  public static func bytes(_ count: Int) -> String {
    let names = ["bytes", "kB", "MB", "GB", "TB"]
    let step = stride(from: 4, through: 1, by: -1).first { Double(count) >= pow(1000, Double($0)) } ?? 0
    return step == 0 ? "\(count) bytes" : "\(rounded(Double(count) / pow(1000, Double(step)))) \(names[step])"
  }

  /// As in `2 567 463 684`, in groups of three.
  public static func grouped(_ count: Int) -> String {
    let digits = String(count).reversed()
    let groups = stride(from: 0, to: digits.count, by: 3).map { digits.dropFirst($0).prefix(3) }
    return String(groups.joined(separator: " ").reversed())
  }

  /// As in `0.31 s`, `12 s` or `3 min 20 s`.
  public static func time(_ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    guard seconds >= 99.5 else { return "\(rounded(seconds)) s" }
    let whole = Int(seconds.rounded())
    return whole < 3600 ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole / 60 % 60) min"
  }

  /// As in `4.20 s/picture`, or where a second has several, `12.1 pictures/s`.
  public static func pace(_ secondsEach: Double, _ unit: String) -> String {
    secondsEach >= 1 || secondsEach == 0
      ? "\(rounded(secondsEach)) s/\(unit.dropLast())" : "\(rounded(1 / secondsEach)) \(unit)/s"
  }

  /// Three digits, or all before the point.
  public static func rounded(_ value: Double) -> String {
    let places = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
    return String(format: "%.\(places)f", value)
  }
}
