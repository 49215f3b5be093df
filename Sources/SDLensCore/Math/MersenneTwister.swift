import Foundation

/// The random numbers of `torch.Generator("cpu")`: mt19937, and the normal variates `torch.randn` makes of it.
///
/// A value: a copy draws the same numbers again. Source: Matsumoto and Nishimura, "Mersenne Twister", 1998.
public struct MersenneTwister: Sendable {
  private static let size = 624
  private static let shift = 397

  private var state: [UInt32]
  private var next: Int
  /// The second variate of the last pair drawn one by one.
  private var spareNormal: Double?

  /// Starts the sequence of `torch.manual_seed(seed)`, of whose seed only the lower 32 bits count.
  public init(seed: some BinaryInteger) {
    state = [UInt32(truncatingIfNeeded: seed)]
    state.reserveCapacity(Self.size)
    for index in 1..<Self.size {
      let last = state[index - 1]
      state.append(1_812_433_253 &* (last ^ last >> 30) &+ UInt32(index))
    }
    next = Self.size
  }

  /// The next 32 random bits.
  public mutating func bits32() -> UInt32 {
    if next == Self.size { refill() }
    var bits = state[next]
    next += 1
    bits ^= bits >> 11
    bits ^= bits << 7 & 0x9D2C_5680
    bits ^= bits << 15 & 0xEFC6_0000
    return bits ^ bits >> 18
  }

  private mutating func refill() {
    for index in 0..<Self.size {
      let following = index + 1 < Self.size ? index + 1 : 0
      let partner = index + Self.shift < Self.size ? index + Self.shift : index + Self.shift - Self.size
      let mixed = state[index] & 0x8000_0000 | state[following] & 0x7FFF_FFFF
      state[index] = state[partner] ^ mixed >> 1 ^ (mixed & 1) &* 0x9908_B0DF
    }
    next = 0
  }

  /// A number in [0, 1), a multiple of 2⁻²⁴.
  private mutating func uniform() -> Float { Float(bits32() & 0xFF_FFFF) * 0x1p-24 }

  /// A number in [0, 1), a multiple of 2⁻⁵³.
  private mutating func uniform53() -> Double {
    let high = UInt64(bits32())
    return Double((high << 32 | UInt64(bits32())) & 0x1F_FFFF_FFFF_FFFF) * 0x1p-53
  }

  /// `count` standard normal variates: `torch.randn(count, generator: self)`.
  ///
  /// From 16 on they come in groups of 16 float uniforms, `√(-2 log(1 - u))` of the first eight times cosine
  /// (for the first eight results) and sine (for the last) of `2π u` of the other eight; where 16 does not
  /// divide the count, the last 16 values are drawn once more. Fewer come one by one from double uniforms.
  public mutating func normal(_ count: Int) -> [Float] {
    guard count >= 16 else { return (0..<count).map { _ in Float(normal()) } }
    var values = (0..<count).map { _ in uniform() }
    for start in stride(from: 0, through: count - 16, by: 16) { Self.boxMuller(&values[start..<start + 16]) }
    if count % 16 != 0 {
      for index in count - 16..<count { values[index] = uniform() }
      Self.boxMuller(&values[(count - 16)...])
    }
    return values
  }

  /// Turns 16 uniforms into 16 normal variates.
  private static func boxMuller(_ values: inout ArraySlice<Float>) {
    let fullTurn = Float(2 * Double.pi)  // Float.pi is rounded down, not to nearest
    for first in values.indices.prefix(8) {
      let radius = (-2 * log(1 - values[first])).squareRoot()
      let angle = fullTurn * values[first + 8]
      values[first] = radius * cos(angle)
      values[first + 8] = radius * sin(angle)
    }
  }

  /// One standard normal variate; they are made in pairs, the second kept for the next call.
  private mutating func normal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return spare
    }
    let angle = 2 * .pi * uniform53()
    let radius = (-2 * log1p(-uniform53())).squareRoot()
    spareNormal = radius * sin(angle)
    return radius * cos(angle)
  }
}
