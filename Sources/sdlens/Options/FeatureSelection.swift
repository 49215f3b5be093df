import ArgumentParser
import SDLensCore

/// Some features of a dictionary: `alive`, `all`, `random:100`, or `3,10-20`.
enum FeatureSelection: ExpressibleByArgument, CustomStringConvertible {
  case alive
  case all
  case random(Int)
  case list([Int])

  init?(argument: String) {
    switch argument {
    case "alive": self = .alive
    case "all": self = .all
    default:
      if argument.hasPrefix("random:") {
        guard let count = Int(argument.dropFirst(7)), count > 0 else { return nil }
        self = .random(count)
        return
      }
      var numbers: Set<Int> = []
      for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
        let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard 1...2 ~= ends.count, let first = ends[0], let last = ends[ends.count - 1],
          first >= 0, first <= last, last < 1 << 24
        else { return nil }
        numbers.formUnion(first...last)
      }
      self = .list(numbers.sorted())
    }
  }

  var description: String {
    switch self {
    case .alive: "alive"
    case .all: "all"
    case .random(let count): "random:\(count)"
    case .list(let numbers): numbers.map(String.init).joined(separator: ",")
    }
  }

  /// The numbers, in order; random ones are of those alive, and always the same.
  func numbers(alive: [Int], count: Int) -> [Int] {
    switch self {
    case .alive: return alive
    case .all: return Array(0..<count)
    case .random(let wanted):
      var random = PCG64(seed: 0)
      return random.permutation(alive.count).prefix(wanted).map { alive[$0] }.sorted()
    case .list(let numbers): return numbers
    }
  }
}
