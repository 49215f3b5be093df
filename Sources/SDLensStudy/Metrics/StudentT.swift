import Foundation

/// Student's t distribution with a whole number of degrees of freedom.
enum StudentT {
  /// The `t` below which |T| stays with a probability.
  ///
  /// Source of the finite sums: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
  static func reach(_ freedom: Int, confidence: Double = 0.95) -> Double {
    precondition(
      freedom > 0 && 0..<1 ~= confidence, "\(freedom) degrees of freedom, confidence \(confidence)")
    var (low, high) = (0.0, Double.pi / 2)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if share(within: middle, freedom) < confidence { low = middle } else { high = middle }
    }
    return Double(freedom).squareRoot() * tan(low)
  }

  /// How likely |T| is below `√ν tan θ`.
  private static func share(within angle: Double, _ freedom: Int) -> Double {
    let isEven = freedom % 2 == 0
    let (sine, cosine) = (sin(angle), cos(angle))
    var (sum, term) = (0.0, isEven ? 1 : cosine)
    for power in stride(from: isEven ? 0 : 1, through: freedom - 2, by: 2) {
      sum += term
      term *= cosine * cosine * Double(power + 1) / Double(power + 2)
    }
    return isEven ? sine * sum : 2 / Double.pi * (angle + sine * sum)
  }
}
