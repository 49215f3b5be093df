import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// A network of another program, with public interfaces alone: three blocks, each of which adds half of what it gets and a
/// number.
@Suite struct AddedDenoiserTests {
  private struct Halves: Denoiser {
    static let numbers: [Float] = [1, -2, 3]

    struct Layout: DenoiserLayout {
      let contextWidth: Int
      let pooledWidth: Int
      let inChannels = 4
      let outChannels = 4
      let sampleSize = 8
      let blocks = BlockName.studied.prefix(3).map {
        BlockLayout(name: $0, width: 4, layers: 1, heads: 1, level: 0)
      }
    }

    struct Pass: DenoiserPass {
      let step: Int
      let blocks: [BlockName]
      private(set) var stream: Tensor
      private var next = 0

      init(_ latents: Tensor, _ blocks: [BlockName], step: Int) {
        (stream, self.blocks, self.step) = (latents, blocks, step)
      }

      mutating func run(before block: BlockName, hooks: HookSet, update: Tensor?) {
        run(to: blocks.firstIndex(of: block)!, hooks, update)
      }
      mutating func run(through all: [BlockName], hooks: HookSet) {
        run(to: blocks.lastIndex(where: all.contains)! + 1, hooks, nil)
      }
      mutating func finish(hooks: HookSet, update: Tensor?) -> Tensor {
        run(to: blocks.count, hooks, update)
        return stream
      }
      private mutating func run(to end: Int, _ hooks: HookSet, _ update: Tensor?) {
        for index in next..<end {
          let known = index == next ? update : nil
          hooks.add(to: &stream, at: blocks[index], step: step) {
            known ?? $0.scaled(by: 0.5, plus: Halves.numbers[index])
          }
        }
        next = end
      }
    }

    let layout: any DenoiserLayout

    func pass(
      _ latents: Tensor, timestep: Double, text: Tensor, pooled: Tensor, timeIDs: [Float], step: Int
    ) -> Pass {
      Pass(latents, layout.blocks.map(\.name), step: step)
    }
  }

  private let pipeline: Pipeline
  private let prompt: PromptEmbeddings
  private let settings: RunSettings

  init() throws {
    let folder = try ModelFolder(EditedModel.tinyPath)
    let encoder = try PromptEncoder(folder)
    let layout = Halves.Layout(contextWidth: encoder.contextWidth, pooledWidth: encoder.pooledWidth)
    pipeline = try Pipeline(folder, denoiser: Halves(layout: layout))
    prompt = encoder(["a house"])
    settings = try RunSettings(seed: 5, steps: 2, height: 64, width: 64)
  }

  /// What the network predicts for its first input, without some blocks.
  private func predicted(_ trace: Pipeline.Trace, without ablated: Set<Int> = []) throws -> [Float] {
    let sampler = try ModelFolder(EditedModel.tinyPath).schedulerConfig().sampler(steps: 2)
    let first = trace.noise.scaled(by: sampler.plan.initialNoiseScale)
    return sampler.input(first, step: 0).elements.map { x in
      Halves.numbers.enumerated().reduce(x) { x, next in
        ablated.contains(next.offset) ? x : x + (x * 0.5 + next.element)
      }
    }
  }

  @Test func runsAsAnyOther() throws {
    let trace = try pipeline.sample(prompt, settings)
    let closeness = Closeness(trace.predictions[0].elements, to: try predicted(trace))
    #expect(closeness.ratio < 1e-6, "\(closeness)")
  }

  @Test func isEditedReusedAndRecorded() throws {
    let blocks = pipeline.denoiser.layout.blocks.map(\.name)
    let base = try BaseRun(pipeline, prompt, settings, watching: blocks)
    for (index, block) in blocks.enumerated() {
      let edited = try base.run(EditList([Edit(.ablate, at: block)]))
      let closeness = Closeness(edited.predictions[0].elements, to: try predicted(edited, without: [index]))
      #expect(closeness.ratio < 1e-6, "without \(block): \(closeness)")

      var hooks = HookSet()
      hooks.ablate(block)
      let recorder = Recorder()
      recorder.record([.input, .update], of: block, in: &hooks)
      let whole = try pipeline.sample(prompt, settings, hooks: hooks)
      #expect(edited.latents.elements == whole.latents.elements, "\(block)")
      #expect(recorder[block, .update, step: 0]?.elements.allSatisfy { $0 == 0 } == true)
      #expect(recorder[block, .input, step: 0]?.shape == [1, 8, 8, 4])
    }
  }

  @Test func itsBlocksAreTheOnesThatCanBeEdited() throws {
    let base = try BaseRun(pipeline, prompt, settings, watching: [])
    let message = errorMessage {
      try base.run(EditList([Edit(.ablate, at: BlockName("up.1.0"))]))
    }
    #expect(message.contains("the model has no block up.1.0; its 3 blocks are: down.2.1, mid.0, up.0.0"))
  }
}
