/// The random numbers of `numpy.random.default_rng(seed)`: PCG64 (XSL-RR), seeded through NumPy's `SeedSequence`.
///
/// A value: a copy draws the same numbers again. Source: O'Neill, "PCG: A Family of Simple Fast
/// Space-Efficient Statistically Good Algorithms", 2014; NumPy 2's `Generator`.
public struct PCG64: Sendable {
  private var state: UInt128
  private let increment: UInt128
  /// The upper half of the last 64 bits, of which 32 were asked for.
  private var spare: UInt32?

  /// Starts the sequence of `default_rng(seed)`.
  public init(seed: UInt64) {
    let words = SeedSequence(seed).words64(4)
    increment = (UInt128(words[2]) << 64 | UInt128(words[3])) << 1 | 1
    state = increment &+ (UInt128(words[0]) << 64 | UInt128(words[1]))
    advance()
  }

  private mutating func advance() {
    state = state &* (0x2360_ED05_1FC6_5DA4 << 64 | 0x4385_DF64_9FCC_F645) &+ increment
  }

  /// The next 64 random bits.
  public mutating func bits64() -> UInt64 {
    advance()
    let (mixed, turn) = (UInt64(truncatingIfNeeded: state >> 64 ^ state), UInt64(state >> 122))
    return mixed >> turn | mixed << (64 - turn & 63)
  }

  /// The next 32 random bits; a second call takes the other half of the same 64.
  public mutating func bits32() -> UInt32 {
    if let half = spare {
      spare = nil
      return half
    }
    let bits = bits64()
    spare = UInt32(bits >> 32)
    return UInt32(truncatingIfNeeded: bits)
  }

  /// `rng.random()`: a number in [0, 1), a multiple of 2⁻⁵³.
  public mutating func uniform() -> Double { Double(bits64() >> 11) * 0x1p-53 }

  /// `rng.integers(bound)`: an integer in `0..<bound`, every one as likely, by Lemire's method.
  public mutating func integer(below bound: Int) -> Int {
    precondition(1...Int(UInt32.max) ~= bound, "random integers below \(bound)")
    guard bound > 1 else { return 0 }
    let bound = UInt32(bound)
    var product = UInt64(bits32()) * UInt64(bound)
    if UInt32(truncatingIfNeeded: product) < bound {
      let least = (0 &- bound) % bound
      while UInt32(truncatingIfNeeded: product) < least { product = UInt64(bits32()) * UInt64(bound) }
    }
    return Int(product >> 32)
  }

  /// `rng.permutation(count)`: the integers `0..<count` in random order.
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, interval(through: last)) }
    return order
  }

  /// An integer in `0...last`: bits under a mask until they fit, as NumPy shuffles.
  private mutating func interval(through last: Int) -> Int {
    precondition(last <= Int(UInt32.max))
    let mask = UInt32.max >> UInt32(last).leadingZeroBitCount
    while true {
      let value = Int(bits32() & mask)
      if value <= last { return value }
    }
  }
}

/// NumPy's way from a small seed to many well mixed bits (O'Neill's `seed_seq_fe`).
private struct SeedSequence {
  private var pool: [UInt32] = []

  init(_ seed: UInt64) {
    // The words of the seed, lowest first; a seed below 2³² is one word, and missing words count as 0.
    let entropy = [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32), 0, 0]
    var constant: UInt32 = 0x43B0_D7E5
    func hash(_ value: UInt32) -> UInt32 {
      Self.hash(value, &constant, by: 0x931E_8875)
    }
    pool = entropy.map(hash)
    for source in pool.indices {
      for target in pool.indices where target != source {
        let mixed = 0xCA01_F9DD &* pool[target] &- 0x4973_F715 &* hash(pool[source])
        pool[target] = mixed ^ mixed >> 16
      }
    }
  }

  /// `generate_state(count, uint64)`.
  func words64(_ count: Int) -> [UInt64] {
    var constant: UInt32 = 0x8B51_F9DD
    let words = (0..<2 * count).map { Self.hash(pool[$0 % pool.count], &constant, by: 0x58F3_8DED) }
    return (0..<count).map { UInt64(words[2 * $0]) | UInt64(words[2 * $0 + 1]) << 32 }
  }

  private static func hash(_ value: UInt32, _ constant: inout UInt32, by factor: UInt32) -> UInt32 {
    var value = value ^ constant
    constant = constant &* factor
    value = value &* constant
    return value ^ value >> 16
  }
}
