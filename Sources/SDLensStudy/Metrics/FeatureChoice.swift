import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Which features are measured: `all`, `random:100`, or numbers as in `3,17,4539`.
public enum FeatureChoice: Sendable, Equatable, CustomStringConvertible {
  case alive
  case all
  case random(Int)
  case list([Int])

  /// Reads a choice as it is written on a command line; nil for anything else, and for more than 2²⁰ numbers.
  public init?(_ text: String) {
    if text == "alive" {
      self = .alive
    } else if text == "all" {
      self = .all
    } else if text.hasPrefix("random:") {
      guard let count = Int(text.dropFirst(7)), 1...1 << 20 ~= count else { return nil }
      self = .random(count)
    } else {
      var ranges: [ClosedRange<Int>] = []
      for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard 1...2 ~= ends.count, let first = ends[0], let last = ends[ends.count - 1], 0 <= first,
          first <= last, last < 1 << 24
        else { return nil }
        ranges.append(first...last)
      }
      guard ranges.reduce(0, { $0 + $1.count }) <= 1 << 20 else { return nil }
      var numbers: [Int] = []
      for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
        let next = max(range.lowerBound, (numbers.last ?? -1) + 1)
        if next <= range.upperBound { numbers += next...range.upperBound }
      }
      self = .list(numbers)
    }
  }

  /// As it is written.
  public var description: String {
    switch self {
    case .alive: "alive"
    case .all: "all"
    case .random(let count): "random:\(count)"
    case .list(let numbers): numbers.map { "\($0)" }.joined(separator: ",")
    }
  }

  /// The features of a dictionary that it means, in order; random ones are of those that are active.
  public func features(of dictionary: DictionaryFolder, _ random: PCG64) -> [Int] {
    let count = dictionary.autoencoder.features
    var alive: [Int] {
      (0..<count).filter { feature in
        if let examples = dictionary.examples { return examples.count(of: feature) > 0 }
        return dictionary.means.map { $0[feature] > 0 } ?? true
      }
    }
    switch self {
    case .alive: return alive
    case .list(let list): return Set(list).sorted()
    case .all: return Array(0..<count)
    case .random(let wanted):
      var random = random
      let alive = alive
      return random.permutation(alive.count).prefix(wanted).map { alive[$0] }.sorted()
    }
  }

  /// Checks that every dictionary has what is listed.
  ///
  /// - Throws: `UnknownFeature`.
  public func check(_ dictionaries: [BlockName: DictionaryFolder]) throws {
    guard case .list(let list) = self, let most = list.max() else { return }
    for (block, dictionary) in dictionaries.sorted(by: { $0.key < $1.key })
    where most >= dictionary.autoencoder.features {
      throw UnknownFeature(block: block, feature: most, count: dictionary.autoencoder.features)
    }
  }
}

/// A feature that a dictionary does not have.
public struct UnknownFeature: UserError {
  let block: BlockName
  let feature: Int
  let count: Int
  /// The block, the feature, and those that there are.
  public var description: String {
    "there is no feature \(feature) in the dictionary of \(block), which has the features 0 to \(count - 1); choose "
      + "others with --features"
  }
}
