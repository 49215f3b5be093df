import SDLensCore

/// A cross-attention transformer block: `D_out = D_in + T(D_in, prompt)` (paper, eq. 5).
struct SpatialTransformer: Sendable {
  let name: BlockName
  let norm: GroupNorm
  let projectIn: Linear
  let layers: [TransformerBlock]
  let projectOut: Linear

  init(_ w: WeightScope, _ block: BlockLayout, config: UNetConfig) throws {
    name = block.name
    let width = block.width
    norm = try GroupNorm(w["norm"], channels: width, groups: config.groups, epsilon: 1e-6)
    projectIn = try Self.projection(w["proj_in"], width, config)
    layers = try (0..<block.layers).map {
      try TransformerBlock(
        w["transformer_blocks"][$0], width: width, context: config.contextWidth, heads: block.heads)
    }
    projectOut = try Self.projection(w["proj_out"], width, config)
  }

  /// A linear layer; where the file has it as a 1 × 1 convolution, which is the same, [width, width, 1, 1].
  private static func projection(_ w: WeightScope, _ width: Int, _ config: UNetConfig) throws -> Linear {
    let shape: Shape = config.projectsByConvolution ? [width, width, 1, 1] : [width, width]
    return Linear(
      weight: try w.matrix("weight", shape), bias: try w.tensor("bias", [width]), engine: w.engine)
  }

  /// [batch, height, width, channels] → the same shape; an update that is `known` is not computed again.
  func callAsFunction(_ stream: inout Tensor, text: Tensor, hooks: BlockHooks?, known: Tensor? = nil) {
    BlockHooks.add(to: &stream, hooks) { x in
      known ?? projectOut(transform(x, text: text, hooks: hooks))
    }
  }

  /// All of the update but its last projection.
  private func transform(_ stream: Tensor, text: Tensor, hooks: BlockHooks?) -> Tensor {
    let (batch, tokens) = (stream.shape[0], stream.shape[1] * stream.shape[2])
    var x = projectIn(norm(stream)).reshaped([batch, tokens, stream.width])
    for (index, layer) in layers.enumerated() { layer(&x, text: text, layer: index, hooks: hooks) }
    return x.reshaped(stream.shape)
  }
}
