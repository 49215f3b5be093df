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
    let clock = ContinuousClock()
    let end = clock.now + duration
    var best = 0.0
    repeat {
      let time = clock.measure { layer.multiply(x, into: &y, accumulate: false) }
      best = max(best, 2 * Double(size * size * size) / (time / .seconds(1)))
    } while clock.now < end
    return best
  }
}
