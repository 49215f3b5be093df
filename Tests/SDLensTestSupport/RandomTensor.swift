import SDLensCore

extension Tensor {
  /// Standard normal numbers times `scale`, plus `shift`: the same for the same seed and shape.
  public static func random(_ shape: Shape, seed: Int = 0, scale: Float = 1, plus shift: Float = 0) -> Tensor
  {
    var generator = MersenneTwister(seed: seed &+ shape.extents.reduce(0) { $0 &* 31 &+ $1 })
    return Tensor(generator.normal(shape.count).map { $0 * scale + shift }, shape)
  }

  /// Every element after a function in double precision.
  public func mapped(_ function: (Double) -> Double) -> Tensor {
    Tensor(elements.map { Float(function(Double($0))) }, shape)
  }

  /// The nearest values of a number format of weights.
  public func rounded(to type: ElementType) -> Tensor {
    switch type {
    case .f16: Tensor(elements.map { Float(Float16($0)) }, shape)
    // Round half up in magnitude: the lower 16 bits go.
    case .bf16: Tensor(elements.map { Float(bitPattern: ($0.bitPattern + 0x8000) & 0xFFFF_0000) }, shape)
    default: self
    }
  }
}
