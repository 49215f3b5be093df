import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Runs that begin with a picture, or are told of other sizes, equal diffusers; the recipe is in
/// Scripts/goldens/image_to_image.py.
@Suite struct ImageToImageTests {
  struct Run: Decodable, Sendable, CustomTestStringConvertible {
    let name, prompt: String
    let negative: String?
    let steps, width, height: Int
    let strength: Double?
    let guidance: Double
    let seed: Seed
    let timesteps: [Float]
    let original, crop, target: [Int]?
    var testDescription: String { name }

    var sizes: SizeConditioning {
      func size(_ numbers: [Int]?) -> SizeConditioning.Size? {
        numbers.map { SizeConditioning.Size(height: $0[0], width: $0[1]) }
      }
      return SizeConditioning(
        original: size(original), crop: crop.map { SizeConditioning.Crop(top: $0[0], left: $0[1]) },
        target: size(target))
    }
  }

  static let runs: [Run] = (try? Goldens().json("image-to-image.json")) ?? []
  let goldens: Safetensors
  let folder: TemporaryFolder

  init() throws {
    goldens = try TinyModel.goldens("image-to-image")
    folder = try TemporaryFolder()
  }

  /// The tiny model with the scheduler of a run.
  private func model(_ run: Run) throws -> ModelFolder {
    try TinyModel.copy(to: folder)
    let data = try Data(contentsOf: URL(fileURLWithPath: Goldens()("image-to-image.json")))
    let objects = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    let scheduler = objects.first { $0["name"] as? String == run.name }?["scheduler"] ?? [:]
    try FileManager.default.removeItem(atPath: folder("scheduler/scheduler_config.json"))
    try folder.write(JSONSerialization.data(withJSONObject: scheduler), to: "scheduler/scheduler_config.json")
    return try ModelFolder(folder.path)
  }

  /// What the pipeline encoded, as a picture again.
  private func picture(_ name: String) throws -> Picture {
    let image = try goldens.channelsLast("\(name).resized")
    let samples = image.elements.map { UInt8((($0 + 1) / 2 * 255).rounded()) }
    let picture = Picture(width: image.shape[2], height: image.shape[1], samples: samples)
    expectClose(Tensor(signed: picture), image, within: 2e-7, "\(name).resized")
    return picture
  }

  @Test func allRunsAreThere() { #expect(Self.runs.count == 14) }

  // StableDiffusionXLImg2ImgPipeline(…)(prompt, image=…, strength=…, generator=…, original_size=…, …).images
  @Test(arguments: runs) func everyStepEqualsDiffusers(_ run: Run) throws {
    let model = try model(run)
    let pipeline = try Pipeline(model)
    let encoder = try PromptEncoder(model)
    let prompt =
      run.guidance > 1
      ? encoder.guided([run.prompt], negative: run.negative.map { [$0] }) : encoder([run.prompt])
    var settings = try RunSettings(
      seed: run.seed, steps: run.steps, guidance: run.guidance, height: run.height, width: run.width)
    settings.sizes = run.sizes
    if let strength = run.strength {
      settings.image = try InitialImage(
        picture(run.name), named: "p.png", strength: strength, LatentEncoder(model))
    }
    func check(_ found: Tensor, _ name: String, within tolerance: Float) throws {
      try goldens.expect(found, equals: "\(run.name).\(name)", within: tolerance)
    }
    var denoising = try pipeline.start(prompt, settings)
    if run.strength != nil {
      try check(try #require(denoising.trace.initial), "initial", within: 1e-5)
      try check(denoising.trace.latents, "noisy", within: 1e-5)
    } else {
      #expect(denoising.trace.initial == nil)
    }
    while !denoising.isDone {
      let step = denoising.step
      #expect(denoising.isLast == (step == run.timesteps.count - 1))
      var pass = denoising.pass()
      denoising.advance(by: pass.finish())
      try check(denoising.trace.latents, "latents.\(step)", within: 2e-5)
    }
    #expect(denoising.step == run.timesteps.count)
    #expect(try pipeline.stepCount(settings) == run.timesteps.count)
    #expect(try model.stepCount(settings) == run.timesteps.count)
    let image = try pipeline.picture(denoising.trace.latents)
    try check(image, "image", within: 3e-5)
    let wanted = try goldens.channelsLast("\(run.name).image")
    let distance = zip(image.elements, wanted.elements).map { abs($0 - $1) * 255 }.max() ?? 0
    #expect(distance < 1, "\(distance) grey levels")
  }

  @Test func picturesOfABatchAreThoseOfTheirSeeds() throws {
    let model = try ModelFolder(TinyModel.path)
    let pipeline = try Pipeline(model)
    var settings = try RunSettings(steps: 2, height: 48, width: 48)
    settings.image = try InitialImage(
      picture("guided"), named: "p.png", strength: 0.5, LatentEncoder(model))
    let prompt = try PromptEncoder(model)(["a cat", "a cat"])
    let both = try pipeline.start(prompt, settings, seeds: [3, 4]).trace.latents
    for (index, seed) in [Seed(3), 4].enumerated() {
      settings.seed = seed
      let one = PromptEmbeddings(embeddings: prompt.embeddings.picture(0), pooled: prompt.pooled.picture(0))
      expectSame(try pipeline.start(one, settings).trace.latents, both.picture(index), "seed \(seed)")
    }
  }

  @Test func whatMakesNoRunIsRefused() throws {
    #expect(
      errorMessage { try InitialImage.firstStep(strength: 0.3, of: 1) }
        == "with strength 0.3, none of 1 step is taken (the last ⌊steps · strength⌋ are): give --steps 4 or more, or a "
        + "larger --strength")
    #expect(
      errorMessage { try InitialImage.firstStep(strength: 0, of: 20) }
        == "with strength 0.0, none of 20 steps is taken (the last ⌊steps · strength⌋ are): give a larger --strength"
    )
    #expect(try InitialImage.firstStep(strength: 1, of: 1) == 0)
    #expect(try InitialImage.firstStep(strength: 1, of: .max) == 0)
    for strength in [1e-19, .leastNonzeroMagnitude] {
      #expect(
        errorMessage { try InitialImage.firstStep(strength: strength, of: 20) }.hasSuffix(
          "are): give a larger --strength"))
    }
    #expect(try InitialImage.firstStep(strength: 0.5, of: 5) == 3)
    for strength in [-0.1, 1.1, .nan] {
      #expect(
        errorMessage { try InitialImage.check(strength) }
          == "strength is \(strength), but it must be from 0 to 1")
    }
    // An autoencoder that was saved without its encoder.
    let decoder = try Safetensors(contentsOf: "\(TinyModel.path)/vae/diffusion_pytorch_model.safetensors")
    try Safetensors.write(
      decoder.names.filter { !$0.hasPrefix("encoder.") && !$0.hasPrefix("quant_conv.") }.map {
        ($0, try decoder.tensor($0))
      }, to: folder("vae.safetensors"))
    let model = try ModelFolder(TinyModel.path, vae: folder("vae.safetensors"))
    _ = try Pipeline(model)
    #expect(
      errorMessage { try LatentEncoder(model) }
        == "'\(folder("vae.safetensors"))' has no encoder (no weight begins with 'encoder.'), so that no picture can be read "
        + "with it; give a whole autoencoder with --vae, as stabilityai/sdxl-vae")
  }
}
