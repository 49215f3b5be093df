import ArgumentParser

/// Refuses a number outside a range.
func checkOption(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
  if let value, !range.contains(value) {
    throw ValidationError(
      "\(name) is \(value), but it must be from \(range.lowerBound) to \(range.upperBound)")
  }
}
