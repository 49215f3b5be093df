/// How fast this machine multiplies: the yardstick for everything else.
public enum ProductRate {
  /// The best rate of products [2048, 2048] · [2048, 2048] on all threads, in floating-point operations a second.
  ///
  /// A product counts 2 · 2048³ operations; it is repeated for about `duration`.
  public static func measure(for duration: Duration = .seconds(1)) -> Double {
    let size = 2048
    let x = Tensor(repeating: 0.5, [size, size])
    let weights = WeightMatrix(x)
    var y = Tensor(uninitialized: [size, size])
    let clock = ContinuousClock()
    let end = clock.now + duration
    var best = 0.0
    repeat {
      let time = clock.measure {
        y.withMutableElements { y in
          x.withElements { x in
            Product.multiply(
              x.baseAddress!, rows: size, together: 1,
              by: [Product.Factor(weight: weights, bias: nil, y: y.baseAddress!)])
          }
        }
      }
      best = max(best, 2 * Double(size * size * size) / (time / .seconds(1)))
    } while clock.now < end
    return best
  }
}
