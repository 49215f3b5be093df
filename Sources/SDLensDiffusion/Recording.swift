import SDLensCore

/// What is recorded of a transformer block: one vector for every place of its map.
public enum RecordedSite: Hashable, Sendable, CustomStringConvertible {
  /// What the block adds, `ΔD = D_out − D_in` (paper, eq. 6).
  case update
  /// The residual stream behind it, `D_out`.
  case residual
  /// The outputs of the heads of the cross-attention of one layer, side by side.
  case heads(layer: Int)

  /// `update`, `residual` or `heads.n`.
  public var description: String {
    switch self {
    case .update: "update"
    case .residual: "residual"
    case .heads(let layer): "heads.\(layer)"
    }
  }
}

/// What a run of a batch of pictures left at some blocks.
public struct Recording: Sendable {
  /// For each block, and for each step, [pictures, height, width, channels].
  public internal(set) var steps: [BlockName: [Tensor]] = [:]
  /// The latents after the last step; nil when the run ended behind the last block that was recorded.
  public internal(set) var latents: Tensor?
}

extension Pipeline {
  /// Runs a batch of pictures and keeps what is asked for of some blocks, in all steps.
  ///
  /// With guidance the conditional half is kept. Unless the latents are wanted, the last step ends behind the
  /// last of the blocks.
  ///
  /// - Parameters:
  ///   - prompt: of all pictures; with guidance, the negative prompts of all first.
  ///   - seeds: one for each picture.
  ///   - settings: its seed does not count.
  public func record(
    _ site: RecordedSite, of blocks: [BlockName], _ prompt: PromptEmbeddings, seeds: [Int],
    _ settings: RunSettings, latents: Bool = false
  ) throws -> Recording {
    let scheduler = try Scheduler(schedulerConfig, steps: settings.steps)
    var source = NoiseSource(seeds: seeds)
    let factor = decoder.config.factor
    let shape: Shape = [
      seeds.count, settings.height / factor, settings.width / factor, unet.config.inChannels,
    ]
    let size = [Float(settings.height), Float(settings.width)]
    var sample = source(shape).scaled(by: scheduler.initialNoiseScale)
    let kept = Kept()
    let hooks = hooks(site, of: blocks, keeping: settings.isGuided ? seeds.count : 0, in: kept)
    for (step, timestep) in scheduler.timesteps.enumerated() {
      let input = scheduler.input(sample, step: step)
      let isLast = step == scheduler.timesteps.count - 1
      let conditioning = unet.conditioning(
        timestep: Double(timestep), text: prompt.embeddings, pooled: prompt.pooled,
        timeIDs: size + [0, 0] + size)
      var state = UNet.State(stream: settings.isGuided ? .stacked([input, input]) : input)
      let range = isLast && !latents ? unet.steps(through: blocks) : unet.allSteps
      unet.run(range, on: &state, conditioning, hooks: hooks, step: step)
      guard !isLast || latents else { break }
      var prediction = state.stream
      if settings.isGuided { prediction = Self.guide(prediction, by: Float(settings.guidance)) }
      sample = scheduler.next(sample, prediction: prediction, step: step, noise: &source)
    }
    return Recording(steps: kept.steps, latents: latents ? sample : nil)
  }

  private final class Kept { var steps: [BlockName: [Tensor]] = [:] }

  /// Hooks that keep what passes a site, without the first pictures of the batch.
  private func hooks(
    _ site: RecordedSite, of blocks: [BlockName], keeping first: Int, in kept: Kept
  ) -> HookSet {
    var hooks = HookSet()
    for block in blocks {
      let keep: HookSet.Observation = { tensor, _ in
        kept.steps[block, default: []].append(first == 0 ? tensor : tensor.pictures(first..<tensor.shape[0]))
      }
      switch site {
      case .update: hooks.observe(.update, of: block, keep)
      case .residual: hooks.observe(.output, of: block, keep)
      case .heads(let layer):
        // Head outputs come as [batch, places, width]; the map gives them their shape.
        var map: Shape = []
        hooks.observe(.input, of: block) { input, _ in map = input.shape }
        hooks.observe(.headOutputs, of: .crossAttention, layer: layer, in: block) { tensor, step in
          keep(tensor.reshaped([map[0], map[1], map[2], tensor.width]), step)
        }
      }
    }
    return hooks
  }
}

extension UNet {
  /// The steps of a pass up to and with the last of some blocks; all when there are none.
  package func steps(through blocks: [BlockName]) -> Range<Int> {
    let last = steps.lastIndex { step in
      if case .transformer(let block) = step { blocks.contains(block.name) } else { false }
    }
    return last.map { 0..<$0 + 1 } ?? allSteps
  }
}
