import SDLensCore
import SDLensDiffusion

/// What the run of another prompt adds at blocks, step by step: `Edit.Operation.transplant` puts it into a run.
///
/// They go by their prompts; each runs with the settings, and so the noise, of the run that receives.
public struct PatchSource: Sendable {
  private let updates: [BlockName: [Int: Tensor]]

  /// Runs a prompt.
  ///
  /// - Parameters:
  ///   - prompt: with guidance, the negative prompt first.
  ///   - blocks: those whose updates are kept, in all steps.
  /// - Throws: as `Pipeline.sample`.
  public init(
    _ pipeline: Pipeline, _ prompt: PromptEmbeddings, _ settings: RunSettings, watching blocks: [BlockName]
  ) throws {
    var hooks = HookSet()
    let recorder = Recorder()
    for block in Set(blocks) { recorder.record([.update], of: block, in: &hooks) }
    _ = try pipeline.sample(prompt, settings, hooks: hooks)
    var updates: [BlockName: [Int: Tensor]] = [:]
    for (key, tensor) in recorder.tensors {
      updates[key.block, default: [:]][key.step] = settings.isGuided ? tensor.picture(1) : tensor
    }
    self.updates = updates
  }

  /// The updates that a run keeps.
  public init(_ run: BaseRun, of block: BlockName) {
    updates = [
      block: Dictionary(
        uniqueKeysWithValues: (0..<run.steps).compactMap { step in
          run.update(of: block, step: step).map { (step, $0) }
        })
    ]
  }

  /// What a block added for the prompt, [1, height, width, channels]; nil where nobody kept it.
  public func update(of block: BlockName, step: Int) -> Tensor? { updates[block]?[step] }
}

extension EditList {
  /// The prompts whose runs the edits need, each with the blocks that they are needed of.
  public var patchSources: [String: [BlockName]] {
    var found: [String: [BlockName]] = [:]
    for edit in edits {
      guard case .transplant(let prompt, _) = edit.operation else { continue }
      if found[prompt]?.contains(edit.block) != true { found[prompt, default: []].append(edit.block) }
    }
    return found
  }

  /// The same edits, their maps written into a folder and named as files beside its other ones.
  ///
  /// - Throws: `FileError`.
  public func writingMaps(to folder: String) throws -> EditList {
    var list = try EditList(
      edits.map { edit in
        guard case .addMap(let map, let strength, let mask) = edit.operation else { return edit }
        return Edit(
          .addMap(try map.written(to: folder), strength: strength, mask: mask), at: edit.block,
          steps: edit.steps)
      })
    list.dictionaries = dictionaries
    return list
  }
}
