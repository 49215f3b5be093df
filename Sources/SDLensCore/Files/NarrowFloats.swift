/// Rounding of float32 to 16 and 8 bits: to the nearest, and of two that are as near to the one whose last bit is 0.
package enum NarrowFloats {
  /// A tensor in bfloat16, the upper halves of its numbers; what is too large becomes infinite, NaN stays one.
  static func bfloats(_ tensor: Tensor) -> [UInt16] {
    rounded(tensor) { x, y, _ in
      for index in x.indices { y[index] = bfloat(x[index]) }
    }
  }

  /// What each row [..., width] of a tensor is divided by so that it fits in 8 bits: the smallest power of two that takes
  /// its largest number to 448 or below, and 1 for zeros.
  ///
  /// - Parameter name: of the tensor, for the message.
  /// - Throws: `BeyondFormat` for a number that is not finite.
  package static func scales(_ tensor: Tensor, _ name: String) throws -> [Float] {
    let largest = tensor.withElements { x in
      (0..<tensor.count / tensor.width).map { row in
        // (`max` would pass over NaN.)
        x[row * tensor.width..<(row + 1) * tensor.width].reduce(0) {
          $1.magnitude > $0 || $1.isNaN ? $1.magnitude : $0
        }
      }
    }
    guard largest.allSatisfy(\.isFinite) else {
      let index = (0..<tensor.count).first { !tensor[$0].isFinite }!
      throw BeyondFormat(
        name: name, position: index, value: tensor[index],
        largest: "float32 number \(Float.greatestFiniteMagnitude)")
    }
    return largest.map { largest in
      guard largest > 0 else { return 1 }
      // 448 is 1.75 · 2⁸.
      let exponent = largest.exponent - (largest.significand <= 1.75 ? 8 : 7)
      return Float(sign: .plus, exponent: max(exponent, Float.leastNormalMagnitude.exponent), significand: 1)
    }
  }

  /// A tensor in 8 bits a number, each row divided by its scale.
  static func eightBits(_ tensor: Tensor, scales: [Float]) -> [UInt8] {
    precondition(scales.count * tensor.width == tensor.count, "\(scales.count) scales of \(tensor.shape)")
    return rounded(tensor) { x, y, row in
      // Of a power of two: exact.
      let factor = 1 / scales[row]
      for index in x.indices { y[index] = e4m3(x[index] * factor) }
    }
  }

  /// A tensor row by row, on all threads.
  private static func rounded<Number: BitwiseCopyable & Sendable>(
    _ tensor: Tensor,
    _ body: (_ x: UnsafeBufferPointer<Float>, _ y: UnsafeMutablePointer<Number>, _ row: Int) -> Void
  ) -> [Number] {
    [Number](unsafeUninitializedCapacity: tensor.count) { buffer, count in
      count = tensor.count
      guard count > 0 else { return }
      let (width, y) = (tensor.width, buffer.baseAddress!)
      tensor.withElements { x in
        // Disjoint: each range has its own rows.
        Parallel.forRanges(count / width, grain: 64) { rows in
          for row in rows {
            body(UnsafeBufferPointer(start: x.baseAddress! + row * width, count: width), y + row * width, row)
          }
        }
      }
    }
  }

  private static func bfloat(_ value: Float) -> UInt16 {
    // (NaN could become 0 with its last bits.)
    guard !value.isNaN else { return 0x7FC0 }
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// Four bits of exponent (bias 7) and three of fraction, for numbers up to 448; source: as `ElementType.bytes`.
  private static func e4m3(_ value: Float) -> UInt8 {
    let bits = value.magnitude.bitPattern
    // Below 2⁻⁶ they are multiples of 2⁻⁹, as floats near 2¹⁴ are.
    let small = (value.magnitude + 0x1p14).bitPattern & 0xF
    let large = (bits &+ 0x7FFFF &+ (bits >> 20 & 1)) >> 20 &- (127 - 7) << 3
    let code = value.magnitude < 0x1p-6 ? small : large
    return UInt8(truncatingIfNeeded: code | value.bitPattern >> 24 & 0x80)
  }
}
