import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// Runs that take over what edits cannot change equal whole runs bit for bit.
@Suite struct BaseRunTests {
  private static let kinds: [Edit.Operation] = [
    .modulate(feature: 3, beta: -6), .add(feature: 7, strength: 2, mask: .everywhere),
    .emptyContext(feature: 9, gamma: 1), .reconstruct, .ablate,
  ]

  private func whole(
    _ edits: EditList, _ prompt: PromptEmbeddings, _ settings: RunSettings
  ) throws -> Pipeline.Trace {
    var hooks = HookSet()
    let pipeline = try EditedModel.pipeline
    try Intervention(edits, EditedModel.dictionaries, for: pipeline, settings).add(to: &hooks)
    return try pipeline.sample(prompt, settings, hooks: hooks)
  }

  private func expectSame(_ found: Pipeline.Trace, _ wanted: Pipeline.Trace, _ name: String) {
    SDLensTestSupport.expectSame(found.noise, wanted.noise, "\(name): noise")
    SDLensTestSupport.expectSame(found.latents, wanted.latents, "\(name): latents")
    #expect(found.predictions.map(\.elements) == wanted.predictions.map(\.elements), "\(name)")
  }

  @Test(arguments: BlockName.sdxl, [0.0, 3.0]) func eachOperationAtEachBlock(
    _ block: BlockName, guidance: Double
  )
    throws
  {
    let settings = try EditedModel.settings(steps: 1, guidance: guidance)
    let prompt = try EditedModel.prompt("dog", guided: settings.isGuided)
    try withThreads(2) {
      let base = try BaseRun(EditedModel.pipeline, prompt, settings, watching: BlockName.sdxl)
      for operation in Self.kinds {
        let edits = try EditList([Edit(operation, at: block)])
        let wanted = try whole(edits, prompt, settings)
        for round in 1...2 {
          let found = try base.run(edits, EditedModel.dictionaries)
          expectSame(found, wanted, "\(operation.name), round \(round)")
        }
      }
    }
  }

  @Test(arguments: EditedModel.runs, [1, 5]) func compositions(_ run: EditedModel.Run, threads: Int) throws {
    let (settings, prompt) = (try EditedModel.settings(run), try EditedModel.prompt(run))
    let pipeline = try EditedModel.pipeline
    try withThreads(threads) {
      let wanted = try whole(run.edits, prompt, settings)
      // Everything kept, nothing kept, only a block before the first edited one, only other steps.
      let all = Set(0..<run.steps)
      let watched: [(blocks: [BlockName], steps: Set<Int>)] = [
        (BlockName.sdxl, all), ([], all), ([BlockName.sdxl[0]], all), (BlockName.sdxl, [run.steps - 1]),
        (run.edits.blocks, [0]),
      ]
      for (blocks, steps) in watched {
        let base = try BaseRun(pipeline, prompt, settings, watching: blocks, atSteps: steps)
        let found = try base.run(run.edits, EditedModel.dictionaries)
        expectSame(found, wanted, "\(blocks.count) blocks at \(steps.count) steps")
        expectSame(base.trace, try pipeline.sample(prompt, settings), "without edits")
        let pictures = try [found, wanted].map { Picture(try pipeline.picture($0.latents)) }
        #expect(pictures[0] == pictures[1])
      }
    }
  }

  @Test func aStripDoesNotChangeItsBase() throws {
    let (settings, prompt) = (try EditedModel.settings(steps: 2), try EditedModel.prompt())
    let block = try BlockName("up.0.1")
    let base = try BaseRun(EditedModel.pipeline, prompt, settings, watching: [block])
    let strip = try [-6.0, 0, 6, -6].map { beta in
      try base.run(
        EditList([Edit(.modulate(feature: 38, beta: beta), at: block)]), EditedModel.dictionaries)
    }
    #expect(strip[0].latents.differs(from: strip[2].latents))
    expectSame(strip[3], strip[0], "the same strength again")
    expectSame(strip[1], base.trace, "β = 0")
    expectSame(try base.run(EditList([])), base.trace, "no edits")
  }

  @Test func onlyWhatIsBehindTheEditIsComputed() throws {
    let settings = try EditedModel.settings(steps: 2)
    let block = try BlockName("up.0.1")
    let base = try BaseRun(
      EditedModel.pipeline, try EditedModel.prompt(), settings, watching: [block], atSteps: [1])
    var (computed, attended): ([String], [String]) = ([], [])
    var observers = HookSet()
    for block in BlockName.sdxl {
      observers.observe(.update, of: block) { _, step in computed.append("\(block) \(step)") }
      observers.observe(.headOutputs, of: .selfAttention, layer: 0, in: block) { _, step in
        attended.append("\(block) \(step)")
      }
    }
    let edits = try EditList([Edit(.modulate(feature: 38, beta: 4), at: block, steps: [1])])
    let intervention = try Intervention(
      edits, EditedModel.dictionaries, for: EditedModel.pipeline, settings)
    _ = base.run(intervention, observers: observers)
    let behind = ["up.0.2", "up.1.0", "up.1.1", "up.1.2"].map { "\($0) 1" }
    #expect(computed == ["up.0.1 1"] + behind)
    #expect(attended == behind)
  }

  @Test func aBaseIsKeptForWhatIsPlanned() throws {
    let (settings, laboratory) = (try EditedModel.settings(steps: 3), try EditedModel.laboratory())
    let prompt = try laboratory.embeddings(of: "a cat", settings)
    let blocks = try ["mid.0", "up.1.0"].map(BlockName.init)
    let planned: [(BlockName, Set<Int>)] = [(blocks[0], [2]), (blocks[1], [1, 2])]
    let plans = try planned.map { block, steps in
      try Intervention(
        EditList([Edit(.ablate, at: block, steps: steps)]), [:], for: EditedModel.pipeline, settings)
    }
    let base = try laboratory.run("a cat", settings, for: plans)
    for block in blocks {
      #expect((0..<3).map { base.update(of: block, step: $0) != nil } == [false, true, true])
    }
    for plan in plans { expectSame(base.run(plan), try whole(plan.list, prompt, settings), "planned") }
  }

  @Test(arguments: [0.0, 3.0]) func updatesAreThoseOfThePrompt(_ guidance: Double) throws {
    let settings = try EditedModel.settings(steps: 2, guidance: guidance)
    let prompt = try EditedModel.prompt(guided: settings.isGuided)
    let block = try BlockName("mid.0")
    var hooks = HookSet()
    let recorder = Recorder()
    recorder.record([.update], of: block, in: &hooks)
    _ = try EditedModel.pipeline.sample(prompt, settings, hooks: hooks)
    let base = try BaseRun(EditedModel.pipeline, prompt, settings, watching: [block], atSteps: [1])
    let wanted = try #require(recorder[block, .update, step: 1])
    let found = try #require(base.update(of: block, step: 1))
    #expect(found.shape == [1, 2, 3, 32])
    SDLensTestSupport.expectSame(found, wanted.picture(settings.isGuided ? 1 : 0), "update")
    #expect(base.update(of: block, step: 0) == nil && base.steps == 2)
    #expect(base.update(of: BlockName.sdxl[0], step: 1) == nil)
  }
}

/// Runs of a model without a block in the middle, as SSD-1B and Vega are.
@Suite struct SmallerBaseRunTests {
  @Test func editsBeginAtTheBlocksThatAreThere() throws {
    let folder = try TemporaryFolder()
    let files = FileManager.default
    try files.copyItem(atPath: EditedModel.tinyPath, toPath: folder("model"))
    let weights = folder("model/unet/diffusion_pytorch_model.safetensors")
    let file = try Safetensors(contentsOf: weights)
    let kept = try file.names.filter {
      !$0.hasPrefix("mid_block.attentions.") && !$0.hasPrefix("mid_block.resnets.1.")
    }.map {
      (name: $0, tensor: try file.tensor($0))
    }
    try files.removeItem(atPath: weights)
    try Safetensors.write(kept, to: weights)
    let config = try String(contentsOfFile: folder("model/unet/config.json"), encoding: .utf8)
    try folder.write(
      config.replacing("UNetMidBlock2DCrossAttn", with: "UNetMidBlock2D").utf8, to: "model/unet/config.json")

    let model = try ModelFolder(folder("model"))
    let laboratory = Laboratory(model)
    let settings = try RunSettings(seed: 3, steps: 2, height: 32, width: 32)
    let blocks = try model.blocks
    #expect(blocks.count == 10)
    let base = try laboratory.run("a dog", settings, watching: blocks)
    for block in blocks {
      let edits = try EditList([Edit(.ablate, at: block)])
      var hooks = HookSet()
      hooks.ablate(block)
      let wanted = try laboratory.pipeline.sample(
        laboratory.embeddings(of: "a dog", settings), settings, hooks: hooks)
      expectSame(try base.run(edits).latents, wanted.latents, "\(block)")
    }
  }
}
