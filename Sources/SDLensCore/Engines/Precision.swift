/// In which numbers our kernels multiply; results and everything between products are float32.
///
/// `Documentation/Precision.md` says what is rounded, what is not, and how far results are off.
public enum Precision: String, CaseIterable, Sendable {
  /// Single precision.
  case float32
  /// Products of 16-bit integers with a unit for each block of 128 inputs, and exact sums: see shorts.c.
  case int16
}
