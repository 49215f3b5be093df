import SDLensCore

extension UNet {
  /// One pass; copies share the memory of what neither has changed.
  public struct Pass: DenoiserPass {
    /// The number of the denoising step, from 0.
    public let step: Int
    private let unet: UNet
    private let conditioning: Conditioning
    private var state: State
    private var next = 0

    init(_ unet: UNet, _ latents: Tensor, _ conditioning: Conditioning, step: Int) {
      (self.unet, self.conditioning, self.step) = (unet, conditioning, step)
      state = State(stream: latents)
    }

    /// The residual stream [batch, height, width, channels].
    public var stream: Tensor { state.stream }

    /// Goes on until just before `block`.
    public mutating func run(before block: BlockName, hooks: HookSet, update: Tensor?) {
      let stop = unet.steps.indices.first {
        if case .transformer(let other) = unet.steps[$0] { other.name == block } else { false }
      }
      guard let stop, stop >= next else { preconditionFailure("\(block) is not ahead of the pass") }
      unet.run(next..<stop, on: &state, conditioning, hooks: hooks, step: step, update: update)
      next = stop
    }

    /// Goes on until just behind the last of some blocks.
    public mutating func run(through blocks: [BlockName], hooks: HookSet) {
      let last = unet.steps.lastIndex {
        if case .transformer(let block) = $0 { blocks.contains(block.name) } else { false }
      }
      guard let last, last >= next else { preconditionFailure("\(blocks) are not ahead of the pass") }
      unet.run(next..<last + 1, on: &state, conditioning, hooks: hooks, step: step)
      next = last + 1
    }

    /// Goes on to the end.
    public mutating func finish(hooks: HookSet, update: Tensor?) -> Tensor {
      unet.run(
        next..<unet.steps.endIndex, on: &state, conditioning, hooks: hooks, step: step, update: update)
      next = unet.steps.endIndex
      return state.stream
    }
  }
}
