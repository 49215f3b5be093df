/// Finds the least value of a smooth convex function by its gradient, with limited memory.
///
/// Source: Liu and Nocedal, "On the limited memory BFGS method", 1989; steps are halved until they help enough.
struct LBFGS {
  /// How many steps are remembered.
  var memory = 10
  /// How many steps are made at most.
  var iterations = 1000
  /// The largest component of the gradient that is small enough.
  var tolerance: Double

  /// The place of the minimum, from a start.
  func minimum(from start: [Double], of function: ([Double]) -> (value: Double, gradient: [Double]))
    -> [Double]
  {
    var x = start
    var (value, gradient) = function(x)
    var steps: [(s: [Double], y: [Double], rho: Double)] = []
    for _ in 0..<iterations where gradient.contains(where: { abs($0) > tolerance }) {
      let direction = direction(gradient, steps)
      let slope = dot(gradient, direction)
      guard slope < 0 else { break }
      // Without memory the direction has the gradient's length, which says nothing about the step's.
      var length = steps.isEmpty ? min(1, 1 / (-slope).squareRoot()) : 1
      var next = x
      var found: (value: Double, gradient: [Double])?
      for _ in 0..<40 {
        next = zip(x, direction).map { $0 + length * $1 }
        let candidate = function(next)
        // Close to the minimum the gain drowns in rounding.
        if candidate.value <= value + 1e-4 * length * slope + 1e-15 * abs(value) {
          found = candidate
          break
        }
        length /= 2
      }
      guard let found else { break }
      let (s, y) = (zip(next, x).map(-), zip(found.gradient, gradient).map(-))
      let product = dot(s, y)
      if product > 0 { steps.append((s, y, 1 / product)) }
      if steps.count > memory { steps.removeFirst() }
      (x, value, gradient) = (next, found.value, found.gradient)
    }
    return x
  }

  /// `−H g`, with the inverse of the curvature that the remembered steps show.
  private func direction(_ gradient: [Double], _ steps: [(s: [Double], y: [Double], rho: Double)]) -> [Double]
  {
    var q = gradient
    var factors: [Double] = []
    for step in steps.reversed() {
      let factor = step.rho * dot(step.s, q)
      for index in q.indices { q[index] -= factor * step.y[index] }
      factors.append(factor)
    }
    if let last = steps.last {
      let scale = 1 / (last.rho * dot(last.y, last.y))
      for index in q.indices { q[index] *= scale }
    }
    for (step, factor) in zip(steps, factors.reversed()) {
      let correction = factor - step.rho * dot(step.y, q)
      for index in q.indices { q[index] += correction * step.s[index] }
    }
    return q.map { -$0 }
  }

  private func dot(_ a: [Double], _ b: [Double]) -> Double {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        var sum = 0.0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
      }
    }
  }
}
