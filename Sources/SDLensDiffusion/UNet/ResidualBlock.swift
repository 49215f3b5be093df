import SDLensCore

/// Two convolutions around the time embedding, with a shortcut (diffusers: ResnetBlock2D).
struct ResidualBlock: Sendable {
  let norms: (GroupNorm, GroupNorm)
  let convolutions: (Convolution, Convolution)
  /// Nil in the autoencoder, which knows no time.
  let timeProjection: Linear?
  /// Nil when the number of channels stays.
  let shortcut: Convolution?

  init(
    _ w: WeightScope, inputs: Int, outputs: Int, timeWidth: Int?, groups: Int, epsilon: Float
  ) throws {
    norms = (
      try GroupNorm(w["norm1"], channels: inputs, groups: groups, epsilon: epsilon),
      try GroupNorm(w["norm2"], channels: outputs, groups: groups, epsilon: epsilon)
    )
    convolutions = (
      try Convolution(w["conv1"], inputs: inputs, outputs: outputs),
      try Convolution(w["conv2"], inputs: outputs, outputs: outputs)
    )
    timeProjection = try timeWidth.map { try Linear(w["time_emb_proj"], inputs: $0, outputs: outputs) }
    shortcut =
      inputs == outputs
      ? nil : try Convolution(w["conv_shortcut"], inputs: inputs, outputs: outputs, kernel: 1)
  }

  /// [batch, height, width, inputs] → [batch, height, width, outputs]; `time` is silu(embedding), [batch, t].
  func callAsFunction(_ x: inout Tensor, time: Tensor? = nil) {
    var h = convolutions.0(norms.0(x, silu: true))
    if let timeProjection, let time { h.addToPixels(timeProjection(time)) }
    if let shortcut { x = shortcut(x) }
    convolutions.1.add(norms.1(h, silu: true), to: &x)
  }
}
