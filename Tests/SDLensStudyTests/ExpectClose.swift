import Testing

/// Expects numbers to be equal up to a tolerance, relative to the largest of them or to 1.
func expectClose(
  _ found: some Sequence<Double>, _ wanted: some Sequence<Double>, within tolerance: Double = 1e-9,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let (found, wanted) = (Array(found), Array(wanted))
  let scale = wanted.map(abs).max() ?? 0
  let isClose =
    found.count == wanted.count
    && zip(found, wanted).allSatisfy { abs($0 - $1) <= tolerance * max(1, scale) }
  #expect(isClose, "\(found) against \(wanted)", sourceLocation: sourceLocation)
}
