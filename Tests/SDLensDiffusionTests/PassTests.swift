import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Passes that stop before a block, are copied and go on.
@Suite struct PassTests {
  let inputs: UNetGoldenTests.Inputs
  init() throws { inputs = try UNetGoldenTests.Inputs("pair", TinyModel.goldens("unet")) }

  private func pass() throws -> UNet.Pass {
    try TinyModel.unet.pass(
      inputs.latents, timestep: inputs.timestep, text: inputs.text, pooled: inputs.pooled,
      timeIDs: inputs.timeIDs)
  }

  @Test(arguments: BlockName.sdxl) func partsMakeTheWhole(_ block: BlockName) throws {
    try withThreads(2) {
      let whole = inputs(try TinyModel.unet)
      let recorder = Recorder()
      var hooks = HookSet()
      recorder.record([.input, .update], of: block, in: &hooks)
      var first = try pass()
      first.run(before: block)
      let kept = first
      expectSame(first.finish(hooks: hooks), whole, "continued")
      let update = try #require(recorder[block, .update, step: 0])
      expectSame(kept.stream, try #require(recorder[block, .input, step: 0]), "the stream before the block")

      for round in 1...2 {
        var copy = kept
        var seen: [BlockName] = []
        var observers = HookSet()
        for block in BlockName.sdxl {
          observers.observe(.headOutputs, of: .selfAttention, layer: 0, in: block) { _, _ in
            seen.append(block)
          }
        }
        expectSame(copy.finish(hooks: observers, update: update), whole, "round \(round), behind the block")
        #expect(seen == BlockName.sdxl.filter { $0 > block })
      }
      var (other, another) = (kept, kept)
      #expect(other.finish(hooks: HookSet(), update: update.scaled(by: 2)).differs(from: whole))
      expectSame(another.finish(), whole, "the kept pass is as it was")
    }
  }

  @Test func stopsFollowEachOther() throws {
    try withThreads(2) {
      var pass = try pass()
      for block in BlockName.sdxl { pass.run(before: block) }
      pass.run(before: try BlockName("up.1.2"))
      expectSame(pass.finish(), inputs(try TinyModel.unet), "with 11 stops")
    }
  }

  @Test func blocksAreInTheOrderOfThePass() {
    #expect(BlockName.sdxl.reversed().sorted() == BlockName.sdxl)
  }

  @Test func mapsAreAsLargeAsTheyAre() throws {
    let pipeline = try TinyModel.pipeline
    for (height, width) in [(64, 96), (72, 104), (8, 16)] {
      let settings = try RunSettings(height: height, width: width)
      let recorder = Recorder()
      var hooks = HookSet()
      for block in BlockName.sdxl { recorder.record([.update], of: block, in: &hooks) }
      let prompt = PromptEmbeddings(
        embeddings: inputs.text.picture(0), pooled: inputs.pooled.picture(0))
      _ = try pipeline.sample(prompt, settings, hooks: hooks)
      for block in BlockName.sdxl {
        let size = pipeline.mapSize(of: block, settings)
        let shape = try #require(recorder[block, .update, step: 0]).shape
        #expect(shape.extents.prefix(3) == [1, size.height, size.width], "\(block)")
      }
      #expect(try pipeline.stepCount(settings) == 1)
    }
  }

  @Test func aRunIsAValueToo() throws {
    let pipeline = try TinyModel.pipeline
    let settings = try RunSettings(seed: 3, steps: 3, height: 64, width: 64)
    let prompt = PromptEmbeddings(
      embeddings: inputs.text.picture(0), pooled: inputs.pooled.picture(0))
    let whole = try pipeline.sample(prompt, settings)
    var runs = [try pipeline.start(prompt, settings)]
    while let last = runs.last, !last.isDone {
      var (next, pass) = (last, last.pass())
      next.advance(by: pass.finish())
      runs.append(next)
    }
    #expect(runs.map(\.step) == [0, 1, 2, 3])
    for var run in runs {
      while !run.isDone {
        var pass = run.pass()
        run.advance(by: pass.finish())
      }
      expectSame(run.trace.latents, whole.latents, "continued")
      #expect(run.trace.predictions.map(\.elements) == whole.predictions.map(\.elements))
    }
  }
}
