import SDLensCore

/// The Gaussian noise of a run: that of `torch.randn` in PyTorch's axis order, from one generator or several.
///
/// The noise of the first latents and of every ancestral step comes from the same source, in that order.
public struct NoiseSource: Sendable {
  private var generators: [MersenneTwister]

  /// One seed for every picture of the batch, or one for the whole batch.
  public init(seeds: [Seed]) {
    precondition(!seeds.isEmpty, "noise without a seed")
    generators = seeds.map { MersenneTwister(seed: $0.bits) }
  }

  /// The next noise [batch, height, width, channels]; drawn as [batch, channels, height, width].
  public mutating func callAsFunction(_ shape: Shape) -> Tensor {
    precondition(
      generators.count == 1 || generators.count == shape[0], "\(generators.count) seeds for \(shape)")
    let values = generators.indices.flatMap { generators[$0].normal(shape.count / generators.count) }
    return Tensor(values, [shape[0], shape[3], shape[1], shape[2]]).channelsLast()
  }
}
