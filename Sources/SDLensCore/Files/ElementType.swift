/// The number formats of the safetensors format, under its own names.
public enum ElementType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case f8e5m2 = "F8_E5M2"
  case f8e4m3 = "F8_E4M3"
  case f8e8m0 = "F8_E8M0"
  case f8e4m3fnuz = "F8_E4M3FNUZ"
  case f8e5m2fnuz = "F8_E5M2FNUZ"
  case u16 = "U16"
  case i16 = "I16"
  case f16 = "F16"
  case bf16 = "BF16"
  case u32 = "U32"
  case i32 = "I32"
  case f32 = "F32"
  case u64 = "U64"
  case i64 = "I64"
  case f64 = "F64"
  case c64 = "C64"

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 1
    case .u16, .i16, .f16, .bf16: 2
    case .u32, .i32, .f32: 4
    case .u64, .i64, .f64, .c64: 8
    }
  }

  /// Whether elements of this type are read as float32: each one exactly, F64 to the nearest.
  public var isWeight: Bool { Self.weights.contains(self) }

  /// The formats of weights.
  private static let weights: [ElementType] = [.f32, .f16, .bf16, .f64, .f8e4m3, .f8e5m2]

  /// Their names, for messages.
  static let weightList =
    weights.dropLast().map(\.rawValue).joined(separator: ", ") + " or " + weights[weights.count - 1].rawValue

  /// The value of each of the 256 bytes of an 8-bit float; nil of any other format.
  ///
  /// Source: Micikevicius et al., "FP8 Formats for Deep Learning", arXiv 2209.05433, table 1.
  var bytes: [Float]? {
    switch self {
    case .f8e4m3: Self.e4m3
    case .f8e5m2: Self.e5m2
    default: nil
    }
  }

  /// Exponents of bias 7; no infinity, and NaN only where all seven bits are set.
  private static let e4m3 = eightBits(mantissa: 3, bias: 7) { $0 & 0x7F == 0x7F ? .nan : nil }
  /// Half precision without its last eight bits.
  private static let e5m2 = eightBits(mantissa: 2, bias: 15) { byte in
    byte & 0x7C != 0x7C ? nil : byte & 3 != 0 ? .nan : byte & 0x80 == 0 ? .infinity : -.infinity
  }

  private static func eightBits(mantissa bits: Int, bias: Int, special: (Int) -> Float?) -> [Float] {
    (0..<256).map { byte in
      if let value = special(byte) { return value }
      let exponent = byte >> bits & (0x7F >> bits)
      let fraction = Float(byte & ((1 << bits) - 1)) / Float(1 << bits)
      let magnitude =
        exponent == 0
        ? Float(sign: .plus, exponent: 1 - bias, significand: 1) * fraction
        : Float(sign: .plus, exponent: exponent - bias, significand: 1 + fraction)
      return byte & 0x80 == 0 ? magnitude : -magnitude
    }
  }

  /// All names, for messages.
  static let list = allCases.map(\.rawValue).joined(separator: ", ")
}
