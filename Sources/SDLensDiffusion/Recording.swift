import SDLensCore

/// What is recorded of a transformer block: one vector for every place of its map.
public enum RecordedSite: Hashable, Sendable, CustomStringConvertible {
  /// What the block adds, `ΔD = D_out − D_in` (paper, eq. 6).
  case update
  /// The residual stream before it, `D_in`.
  case input
  /// The residual stream behind it, `D_out`.
  case residual
  /// The outputs of the heads of the cross-attention of one layer, side by side.
  case heads(layer: Int)

  /// `update`, `input`, `residual` or `heads.n`.
  public var description: String {
    switch self {
    case .update: "update"
    case .input: "input"
    case .residual: "residual"
    case .heads(let layer): "heads.\(layer)"
    }
  }
}

/// What a run of a batch of pictures left at some blocks.
public struct Recording: Sendable {
  /// For each block, and for each step that was recorded, [pictures, height, width, channels].
  public internal(set) var steps: [BlockName: [Tensor]] = [:]
  /// The latents after the last step; nil when the run ended behind the last block that was recorded.
  public internal(set) var latents: Tensor?
}

extension Pipeline {
  /// Runs a batch of pictures and keeps what is asked for of some blocks, in some steps.
  ///
  /// With guidance the conditional half is kept. Unless the latents are wanted, the run ends in the last of these steps,
  /// behind the last of the blocks.
  ///
  /// - Parameters:
  ///   - prompt: of all pictures; with guidance, the negative prompts of all first.
  ///   - seeds: one for each picture.
  ///   - settings: its seed does not count.
  ///   - steps: those that are recorded, from 0; nil for all.
  /// - Throws: as `sample`.
  public func record(
    _ site: RecordedSite, of blocks: [BlockName], _ prompt: PromptEmbeddings, seeds: [Seed],
    _ settings: RunSettings, atSteps steps: [Int]? = nil, latents: Bool = false
  ) throws -> Recording {
    let kept = Kept()
    let hooks = hooks(
      site, of: blocks, atSteps: steps.map(Set.init), keeping: settings.isGuided ? seeds.count : 0, in: kept)
    var run = try start(prompt, settings, seeds: seeds)
    while !run.isDone {
      var pass = run.pass()
      if run.isLast || run.step == steps?.max(), !latents {
        pass.run(through: blocks, hooks: hooks)
        break
      }
      run.advance(by: pass.finish(hooks: hooks))
    }
    return Recording(steps: kept.steps, latents: latents ? run.trace.latents : nil)
  }

  private final class Kept { var steps: [BlockName: [Tensor]] = [:] }

  /// Hooks that keep what passes a site, without the first pictures of the batch.
  private func hooks(
    _ site: RecordedSite, of blocks: [BlockName], atSteps steps: Set<Int>?, keeping first: Int, in kept: Kept
  ) -> HookSet {
    var hooks = HookSet()
    for block in blocks {
      let keep: HookSet.Observation = { tensor, _ in
        kept.steps[block, default: []].append(first == 0 ? tensor : tensor.pictures(first..<tensor.shape[0]))
      }
      switch site {
      case .update: hooks.observe(.update, of: block, atSteps: steps, keep)
      case .input: hooks.observe(.input, of: block, atSteps: steps, keep)
      case .residual: hooks.observe(.output, of: block, atSteps: steps, keep)
      case .heads(let layer):
        // Head outputs come as [batch, places, width]; the map gives them their shape.
        var map: Shape = []
        hooks.observe(.input, of: block) { input, _ in map = input.shape }
        hooks.observe(.headOutputs, of: .crossAttention, layer: layer, in: block, atSteps: steps) {
          tensor, step in
          keep(tensor.reshaped([map[0], map[1], map[2], tensor.width]), step)
        }
      }
    }
    return hooks
  }
}
