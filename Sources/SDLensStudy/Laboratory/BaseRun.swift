import SDLensCore
import SDLensDiffusion

/// A run without edits, kept so that runs with edits compute only what the edits can change.
///
/// In the kept steps, the U-net's pass is kept before each watched block, with the update that the block computed
/// then. A run with edits takes the steps before the first edit from here, and in that step all blocks up to the
/// first edited one, whose own update is taken over too. It gives the same bits as a whole run, wherever its first
/// edit is: what is not kept is computed. Kept passes share the memory of all that is equal.
public struct BaseRun: Sendable {
  /// The model.
  public let pipeline: Pipeline
  /// The settings of this run, and of those with edits.
  public let settings: RunSettings
  /// What the run without edits left.
  public let trace: Pipeline.Trace
  /// The run before each step.
  private let starts: [Denoising]
  /// By step, in the order of the forward pass.
  private let kept: [Int: [Kept]]

  private struct Kept: Sendable {
    let block: BlockName
    /// Stands before the block.
    let pass: any DenoiserPass
    let update: Tensor
  }

  /// Does the run.
  ///
  /// - Parameters:
  ///   - prompt: with guidance, the negative prompt first.
  ///   - blocks: those at which edits may begin; others may be edited all the same.
  ///   - kept: the steps in which edits may begin; a kept step takes the memory of the U-net's feature maps.
  ///   - pause: called before every block; what it throws ends the run.
  /// - Throws: as `Pipeline.sample`, and what `pause` throws.
  public init(
    _ pipeline: Pipeline, _ prompt: PromptEmbeddings, _ settings: RunSettings, watching blocks: [BlockName],
    atSteps kept: Set<Int> = [0], pause: () throws -> Void = {}
  ) throws {
    (self.pipeline, self.settings) = (pipeline, settings)
    let blocks = Set(blocks).sorted()
    let present = pipeline.denoiser.layout.blocks.map(\.name)
    var (starts, found): ([Denoising], [Int: [Kept]]) = ([], [:])
    var run = try pipeline.start(prompt, settings)
    while !run.isDone {
      starts.append(run)
      var pass = run.pass()
      var hooks = HookSet()
      var stops: [any DenoiserPass] = []
      let recorder = Recorder()
      let isKept = kept.contains(run.step)
      if isKept { for block in blocks { recorder.record([.update], of: block, in: &hooks) } }
      for block in present {
        try pause()
        pass.run(before: block, hooks: hooks)
        if isKept && blocks.contains(block) { stops.append(pass) }
      }
      try pause()
      let output = pass.finish(hooks: hooks)
      found[run.step] = zip(blocks, stops).map { block, pass in
        guard let update = recorder[block, .update, step: pass.step] else {
          preconditionFailure("\(block) was not computed")
        }
        return Kept(block: block, pass: pass, update: update)
      }
      run.advance(by: output)
    }
    (self.starts, self.kept, trace) = (starts, found, run.trace)
  }

  /// The number of steps.
  public var steps: Int { starts.count }

  /// What a watched block added in a kept step without edits, for the prompt: [1, height, width, channels].
  public func update(of block: BlockName, step: Int = 0) -> Tensor? {
    guard let update = kept[step]?.first(where: { $0.block == block })?.update else { return nil }
    return settings.isGuided ? update.picture(1) : update
  }

  /// The run with edits.
  ///
  /// `pipeline.picture(trace.latents)` makes its picture; of many runs do so at the end, since it lets go of
  /// the U-net's weights.
  ///
  /// - Throws: `EditError` when an edit does not fit the model, the dictionaries or the settings.
  public func run(_ edits: EditList, _ dictionaries: [BlockName: BlockDictionary] = [:]) throws
    -> Pipeline.Trace
  {
    run(try Intervention(edits, dictionaries, for: pipeline, settings))
  }

  /// The run with edits that were made ready for this model and these settings.
  ///
  /// - Parameter observers: who else wants to see blocks and does not change them. They see what is computed
  ///   anew: from the update of the first edited block on, or of the last watched block before it.
  public func run(_ intervention: Intervention, observers: HookSet = HookSet()) -> Pipeline.Trace {
    run(intervention, observers: observers, pause: {})
  }

  /// The same, with a pause before every block; what it throws ends the run.
  public func run(
    _ intervention: Intervention, observers: HookSet = HookSet(), pause: () throws -> Void
  ) rethrows -> Pipeline.Trace {
    guard let (step, block) = intervention.start else { return trace }
    let present = pipeline.denoiser.layout.blocks.map(\.name)
    var run = starts[step]
    var hooks = observers
    intervention.add(to: &hooks)
    if let kept = kept[step]?.last(where: { $0.block <= block }) {
      var pass = kept.pass
      var update: Tensor? = kept.update
      for ahead in present where kept.block < ahead {
        try pause()
        pass.run(before: ahead, hooks: hooks, update: update)
        update = nil
      }
      try pause()
      run.advance(by: pass.finish(hooks: hooks, update: update))
    }
    while !run.isDone {
      var pass = run.pass()
      for block in present {
        try pause()
        pass.run(before: block, hooks: hooks)
      }
      try pause()
      run.advance(by: pass.finish(hooks: hooks))
    }
    return run.trace
  }
}
