import CKernels

/// How fast this machine multiplies: the yardstick for everything else.
public enum ProductRate {
  /// The best rate of products of two square matrices on all threads, in floating-point operations a second.
  ///
  /// A product counts 2 · size³ operations; it is repeated for about `duration`.
  public static func measure(
    _ engine: any Engine, for duration: Duration = .seconds(1), size: Int = 2048
  ) -> Double {
    let x = Tensor(repeating: 0.5, [size, size])
    let layer = engine.linear(WeightMatrix(x), bias: nil)
    var y = Tensor(uninitialized: [size, size])
    return best(of: { layer.multiply(x, into: &y, accumulate: false) }, for: duration).rate(
      2 * Double(size * size * size))
  }

  /// The rate at which all threads multiply and add floats that are in registers, in operations a second: no product in
  /// float32 is faster unless it has fewer operations. One of 16-bit integers can have twice this rate.
  public static func peak(for duration: Duration = .milliseconds(300)) -> Double {
    let threads = Parallel.threads
    var operations = 0
    let least = best(
      of: {
        operations = Parallel.map(threads) { _ in
          var result: Float = 0
          return kernel_peak(&result, 0.5, 200_000)
        }.reduce(0, +)
      }, for: duration)
    return least.rate(Double(operations))
  }

  /// The least time that `body` takes; it is repeated for about `duration`.
  public static func best(of body: () -> Void, for duration: Duration) -> Duration {
    let clock = ContinuousClock()
    let end = clock.now + duration
    var least = clock.measure(body)
    while clock.now < end { least = min(least, clock.measure(body)) }
    return least
  }
}

extension Duration {
  /// Operations a second.
  fileprivate func rate(_ operations: Double) -> Double { operations / (self / .seconds(1)) }
}
