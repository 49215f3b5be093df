/// A seed as `torch.manual_seed` takes it: from −2⁶³ to 2⁶⁴ − 1, where −1 begins the same noise as 2⁶⁴ − 1.
public struct Seed: Hashable, Sendable {
  /// The number as it was given.
  public let value: Int128
  /// What seeds can be.
  public static let range: ClosedRange<Int128> = Int128(Int64.min)...Int128(UInt64.max)

  /// A number, nil outside of the range.
  public init?(exactly number: some BinaryInteger) {
    guard let value = Int128(exactly: number), Self.range.contains(value) else { return nil }
    self.value = value
  }

  /// A number in decimal digits, nil when it is none or outside of the range.
  public init?(_ text: some StringProtocol) {
    guard let value = Int128(text), let seed = Seed(exactly: value) else { return nil }
    self = seed
  }

  private init(_ value: Int128) { self.value = value }

  /// The 64 bits that torch makes of it.
  public var bits: UInt64 { UInt64(truncatingIfNeeded: value) }

  /// Whether there is a seed for each of `count` things, this one first.
  public func reaches(_ count: Int) -> Bool { Self.range.contains(value + Int128(max(0, count - 1))) }

  /// Checks that there is a seed for each of `count` things, this one first.
  ///
  /// - Throws: `SeedsEnd`.
  public func check(_ count: Int) throws { if !reaches(count) { throw SeedsEnd(seed: self, count: count) } }

  /// The seed `index` places further; that there is one was checked.
  public static func + (seed: Seed, index: Int) -> Seed {
    precondition(seed.reaches(index + 1), "no seed \(index) places behind \(seed)")
    return Seed(seed.value + Int128(index))
  }
}

extension Seed: CustomStringConvertible {
  /// Its decimal digits.
  public var description: String { value.description }
}

extension Seed: ExpressibleByIntegerLiteral {
  /// A number of the program itself.
  public init(integerLiteral value: Int) { self.init(Int128(value)) }
}

extension Seed: Codable {
  /// Reads a number; JSON holds all 64 bits of it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Int64.self) {
      self.init(Int128(value))
    } else {
      self.init(Int128(try container.decode(UInt64.self)))
    }
  }

  /// Writes the number as it was given.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let small = Int64(exactly: value) { try container.encode(small) } else { try container.encode(bits) }
  }
}

/// More things than there are seeds.
public struct SeedsEnd: UserError {
  let seed: Seed
  let count: Int
  /// The seed, and the largest that will do.
  public var description: String {
    "seed is \(seed), but each of \(count) pictures has a seed of its own from there on, and the last seed is "
      + "\(Seed.range.upperBound); choose one of at most \(Seed.range.upperBound - Int128(count - 1))"
  }
}
