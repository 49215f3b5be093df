import SDLensCore

/// Directions without meaning, to compare with.
public enum RandomDirections {
  /// `count` unit vectors, spread evenly over all directions, [count, width].
  public static func make(_ count: Int, width: Int, seed: Seed) -> Tensor {
    var generator = MersenneTwister(seed: seed.bits)
    var values = generator.normal(count * width)
    for start in stride(from: 0, to: values.count, by: width) {
      let length = values[start..<start + width].reduce(0) { $0 + $1 * $1 }.squareRoot()
      for index in start..<start + width { values[index] /= length }
    }
    return Tensor(values, [count, width])
  }
}
