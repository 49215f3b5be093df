import SDLensCore

/// The denoising network of SDXL, or of Stable Diffusion 1 and 2, with every cross-attention block open to hooks.
///
/// The pass is a list of steps over a small state, so that it can be stopped after a block, kept as a
/// value, and continued from there: tensors share their memory until one is written.
public struct UNet: Denoiser {
  /// What the steps work on: the residual stream and the feature maps kept for the way up.
  public struct State: Sendable {
    /// [batch, height, width, channels].
    public var stream: Tensor
    var skips: [Tensor] = []

    /// What a pass begins with.
    package init(stream: Tensor) { self.stream = stream }
  }

  /// What stays the same during a pass.
  public struct Conditioning: Sendable {
    /// [batch, tokens, context].
    let text: Tensor
    /// silu(time embedding), [batch, 4 · widths[0]].
    package let time: Tensor
  }

  enum Step: Sendable {
    case convolve(Convolution)
    case residual(ResidualBlock)
    case transformer(SpatialTransformer)
    case keep
    case join
    case upsample(Convolution)
    case finish(GroupNorm, Convolution)
  }

  /// The sizes of the model.
  public let config: UNetConfig
  /// The same, for whoever does not know which network it is.
  public var layout: any DenoiserLayout { config }
  let embedding: TimeEmbedding
  let steps: [Step]

  /// All steps of a pass.
  package var allSteps: Range<Int> { steps.indices }

  /// Reads the network from the root of its weight file.
  public init(_ w: WeightScope, config: UNetConfig) throws {
    self.config = config
    embedding = try TimeEmbedding(w, config: config)
    steps = try UNetSteps(w, config: config).all
  }

  /// The beginning of a pass over latents [batch, height, width, 4].
  public func pass(
    _ latents: Tensor, timestep: Double, text: Tensor, pooled: Tensor, timeIDs: [Float], step: Int = 0
  ) -> Pass {
    Pass(
      self, latents, conditioning(timestep: timestep, text: text, pooled: pooled, timeIDs: timeIDs),
      step: step)
  }

  /// What stays the same during a pass.
  public func conditioning(
    timestep: Double, text: Tensor, pooled: Tensor, timeIDs: [Float]
  ) -> Conditioning {
    var time = embedding(timestep: timestep, pooled: pooled, timeIDs: timeIDs)
    time.apply(.silu)
    return Conditioning(text: text, time: time)
  }

  /// Runs a part of the pass; `update`, if given, is that of the transformer block that the part begins with.
  package func run(
    _ range: Range<Int>, on state: inout State, _ conditioning: Conditioning, hooks: HookSet, step: Int,
    update: Tensor? = nil
  ) {
    for index in range {
      switch steps[index] {
      case .convolve(let convolution): state.stream = convolution(state.stream)
      case .residual(let block): block(&state.stream, time: conditioning.time)
      case .transformer(let block):
        block(
          &state.stream, text: conditioning.text, hooks: BlockHooks(hooks, block: block.name, step: step),
          known: index == range.lowerBound ? update : nil)
      case .keep: state.skips.append(state.stream)
      case .join: state.stream = .concatenated(state.stream, state.skips.removeLast())
      case .upsample(let convolution):
        // To the size of the feature map that comes next: twice as large, or one less if that was odd.
        let size = state.skips[state.skips.count - 1].shape
        state.stream = convolution(Upsampling.nearest(state.stream, height: size[1], width: size[2]))
      case .finish(let norm, let convolution): state.stream = convolution(norm(state.stream, silu: true))
      }
    }
  }
}
