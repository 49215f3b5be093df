import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Models of the kind of Stable Diffusion 1 and 2 equal diffusers; the recipe is in Scripts/goldens/second_family.py.
@Suite struct SecondFamilyTests {
  struct Run: Decodable, Sendable, CustomTestStringConvertible {
    let name, model, prompt: String
    let negative: String?
    let steps, width, height: Int
    let strength: Double?
    let guidance: Double
    let seed: Seed
    let timesteps: [Double]
    let blocks: [String]
    var testDescription: String { name }
  }

  static let runs: [Run] = (try? Goldens().json("second-family.json")) ?? []
  let goldens: Safetensors

  init() throws { goldens = try TinyModel.goldens("second-family") }

  private func model(_ run: Run) throws -> ModelFolder {
    let sampler: SamplerChoice.Name? = run.name == "euler" ? .euler : run.name == "pndm" ? .pndm : nil
    return try ModelFolder(Goldens()(run.model), sampler: sampler.map { try SamplerChoice($0) })
  }

  @Test func allRunsAreThere() { #expect(Self.runs.count == 7) }

  // StableDiffusionPipeline(…)(prompt, …) and StableDiffusionImg2ImgPipeline(…)(prompt, image=…, strength=…)
  @Test(arguments: runs) func everyTensorEqualsDiffusers(_ run: Run) throws {
    let model = try model(run)
    let (pipeline, encoder) = (try Pipeline(model), try PromptEncoder(model))
    func check(_ found: Tensor, _ name: String, within tolerance: Float = 5e-5) throws {
      try goldens.expect(found, equals: "\(run.name).\(name)", within: tolerance)
    }
    let prompt =
      run.guidance > 1
      ? encoder.guided([run.prompt], negative: run.negative.map { [$0] }) : encoder([run.prompt])
    try check(prompt.embeddings, "prompt_embeds", within: 1e-5)
    #expect(prompt.pooled.width == 0 && encoder.pooledWidth == 0)
    var settings = try RunSettings(
      seed: run.seed, steps: run.steps, guidance: run.guidance, height: run.height, width: run.width)
    if let strength = run.strength {
      let image = try goldens.channelsLast("\(run.name).resized")
      let samples = image.elements.map { UInt8((($0 + 1) / 2 * 255).rounded()) }
      settings.image = try InitialImage(
        Picture(width: image.shape[2], height: image.shape[1], samples: samples), named: "p.png",
        strength: strength, LatentEncoder(model))
    }
    var denoising = try pipeline.start(prompt, settings)
    if run.strength == nil { try check(denoising.trace.noise, "noise", within: 1e-6) }
    let recorder = Recorder()
    var hooks = HookSet()
    for block in run.blocks {
      recorder.record([.input, .output], of: try BlockName(block), atSteps: [0], in: &hooks)
    }
    while !denoising.isDone {
      let step = denoising.step
      var pass = denoising.pass()
      denoising.advance(by: pass.finish(hooks: hooks))
      try check(denoising.trace.latents, "latents.\(step)")
    }
    #expect(denoising.step == run.timesteps.count)
    for block in run.blocks {
      for site in [HookSet.Site.input, .output] {
        let found = try #require(recorder[BlockName(block), site, step: 0])
        try check(found.picture(found.shape[0] - 1), "\(block).\(site.rawValue)")
      }
    }
    let image = try pipeline.picture(denoising.trace.latents)
    try check(image, "image")
    let wanted = try goldens.channelsLast("\(run.name).image")
    let distance = zip(image.elements, wanted.elements).map { abs($0 - $1) * 255 }.max() ?? 0
    #expect(distance < 1, "\(distance) grey levels")
  }

  @Test func theBlocksHaveTheirNames() throws {
    for name in ["sd1", "sd2"] {
      let config = try UNetConfig(ModelFolder(Goldens()(name)).config("unet"))
      #expect(config.blocks.map(\.name.description) == Self.runs[0].blocks && config.blocks.count == 16)
      #expect(config.blocks.map(\.width) == [8, 8, 12, 12, 16, 16, 24, 16, 16, 16, 12, 12, 12, 8, 8, 8])
      let heads =
        name == "sd1" ? Array(repeating: 2, count: 16) : [1, 1, 2, 2, 4, 4, 4, 4, 4, 4, 2, 2, 2, 1, 1, 1]
      #expect(config.blocks.map(\.heads) == heads)
      let sizes = config.blocks.map { $0.mapSize(latents: (16, 9)).width }
      #expect(sizes == [9, 9, 5, 5, 3, 3, 2, 3, 3, 3, 5, 5, 5, 9, 9, 9])
      #expect(errorMessage { try config.check([BlockName("up.0.0")]) }.contains("up.0.0"))
    }
    #expect(ModelFamily.sdxl.blocks == BlockName.sdxl && BlockName.sdxl.count == 11)
    #expect(BlockName.all == BlockName.all.sorted())
  }

  /// What runs with hooks alone is what runs without, and a pass that stops at every block goes on as if it had not.
  @Test func passesStopAtEveryBlock() throws {
    let pipeline = try Pipeline(ModelFolder(Goldens()("sd1")))
    let prompt = try PromptEncoder(ModelFolder(Goldens()("sd1")))(["a cat"])
    let run = try pipeline.start(prompt, RunSettings(height: 64, width: 64))
    var (whole, stopping) = (run.pass(), run.pass())
    for block in pipeline.denoiser.layout.blocks { stopping.run(before: block.name) }
    expectSame(stopping.finish(), whole.finish(), "with stops")
    var hooks = HookSet()
    try hooks.ablate(BlockName("down.0.1"))
    var without = run.pass()
    #expect(without.finish(hooks: hooks).elements != whole.stream.elements)
  }

  @Test func partsOfTwoFamiliesAreRefused() throws {
    let folder = try TemporaryFolder()
    try TinyModel.copy(to: folder)
    try FileManager.default.removeItem(atPath: folder("model_index.json"))
    try folder.write(#"{"_class_name": "StableDiffusionPipeline"}"#.utf8, to: "model_index.json")
    let model = try ModelFolder(folder.path)
    #expect(
      errorMessage { try Pipeline(model) }
        == "'\(folder.path)': the U-net is one of SDXL, but 'model_index.json' says StableDiffusionPipeline, which is Stable "
        + "Diffusion 1 and 2; take both from one model")
    let file = folder("unet.safetensors")
    try FileManager.default.copyItem(
      atPath: "\(TinyModel.path)/unet/diffusion_pytorch_model.safetensors", toPath: file)
    #expect(
      errorMessage { try ModelFolder(file, base: Goldens()("sd1")) }
        == "'\(Goldens()("sd1"))' is a model of Stable Diffusion 1 and 2, but single files are read of SDXL; name a base of that "
        + "kind with --base")
  }

  @Test(arguments: [
    (
      "addition_embed_type", "\"text_time\"", "'addition_embed_type' is \"text_time\", which is not supported"
    ),
    ("block_out_channels", "[8, 16, 24]", "'block_out_channels' is [8, 16, 24], but it must be 4 integers"),
    ("class_embed_type", "\"timestep\"", "'class_embed_type' is \"timestep\", which is not supported"),
  ])
  func settingsOfOtherComputationsAreRefused(_ key: String, _ value: String, _ message: String) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: "\(Goldens()("sd1"))/unet/config.json", toPath: folder("config.json"))
    try TinyModel.set(key, to: value, in: "config.json", of: folder)
    let found = errorMessage { try UNetConfig(ConfigFile(folder("config.json"))) }
    #expect(found.contains(message), "\(found)")
  }

  /// Values of diffusers 0.42's `StableDiffusionPipeline`.
  @Test(arguments: [
    ("0.8.1", 32, 64), ("0.2.2", 96, 96), ("0.9.0.dev0", 32, 32), ("0.9.0", 32, 32), ("1.0.0", 32, 32),
  ])
  func filesOfEarlyVersionsMeanLargerPictures(_ version: String, _ size: Int, _ meant: Int) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: "\(Goldens()("sd1"))/unet/config.json", toPath: folder("config.json"))
    try TinyModel.set("_diffusers_version", to: "\"\(version)\"", in: "config.json", of: folder)
    try TinyModel.set("sample_size", to: "\(size)", in: "config.json", of: folder)
    #expect(try UNetConfig(ConfigFile(folder("config.json"))).sampleSize == meant)
  }
}
