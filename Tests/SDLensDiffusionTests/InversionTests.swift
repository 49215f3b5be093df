import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Pictures are taken back to their noise, and come back from there, as in diffusers; the recipe is in
/// Scripts/goldens/inversion.py.
@Suite struct InversionTests {
  struct Run: Decodable, Sendable, CustomTestStringConvertible {
    let name, prompt, source: String
    let negative: String?
    let steps, width, height: Int
    let strength, guidance, source_guidance: Double
    let timesteps: [Int]
    var testDescription: String { name }
  }

  static let runs: [Run] = (try? Goldens().json("inversion.json")) ?? []
  let goldens: Safetensors
  let folder: TemporaryFolder

  init() throws {
    goldens = try TinyModel.goldens("inversion")
    folder = try TemporaryFolder()
  }

  /// The tiny model with a scheduler.
  private func model(_ scheduler: [String: Any]) throws -> ModelFolder {
    try TinyModel.copy(to: folder)
    try FileManager.default.removeItem(atPath: folder("scheduler/scheduler_config.json"))
    try folder.write(JSONSerialization.data(withJSONObject: scheduler), to: "scheduler/scheduler_config.json")
    return try ModelFolder(folder.path)
  }

  private func scheduler(of name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: Goldens()("inversion.json")))
    let objects = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    return try #require(objects.first { $0["name"] as? String == name }?["scheduler"] as? [String: Any])
  }

  private func picture(_ name: String) throws -> Picture {
    let samples = try goldens.tensor("\(name).picture")
    return Picture(
      width: samples.shape[1], height: samples.shape[0], samples: samples.elements.map { UInt8($0) })
  }

  @Test func allRunsAreThere() { #expect(Self.runs.count == 8) }

  // DDIMInverseScheduler.step(unet(x, t, …), t, x), then DDIMScheduler.step(…) from where that ended
  @Test(arguments: runs) func everyStepEqualsDiffusers(_ run: Run) throws {
    let model = try model(scheduler(of: run.name))
    let (pipeline, encoder) = (try Pipeline(model), try PromptEncoder(model))
    func embeddings(_ prompt: String, _ guidance: Double) -> PromptEmbeddings {
      guidance > 1
        ? encoder.guided([prompt], negative: run.negative.map { [$0] }) : encoder([prompt])
    }
    var settings = try RunSettings(
      steps: run.steps, guidance: run.guidance, height: run.height, width: run.width)
    settings.image = try InitialImage(
      picture(run.name), named: "p.png", strength: run.strength,
      inversion: Inversion(of: run.source, guidance: run.source_guidance), LatentEncoder(model))
    func check(_ found: Tensor, _ name: String) throws {
      try goldens.expect(found, equals: "\(run.name).\(name)", within: 1e-4)
    }
    var told: [Int] = []
    settings = try pipeline.inverted(settings, embeddings(run.source, run.source_guidance)) {
      told.append($0)
    }
    #expect(told == Array(1...run.timesteps.count))
    var denoising = try pipeline.start(embeddings(run.prompt, run.guidance), settings)
    try check(try #require(denoising.trace.initial), "initial")
    #expect(denoising.trace.inversion.count == run.timesteps.count)
    for (step, sample) in denoising.trace.inversion.enumerated() { try check(sample, "inversion.\(step)") }
    expectSame(denoising.trace.latents, try #require(denoising.trace.inversion.last), "the first sample")
    while !denoising.isDone {
      let step = denoising.step
      var pass = denoising.pass()
      denoising.advance(by: pass.finish())
      try check(denoising.trace.latents, "latents.\(step)")
    }
    #expect(denoising.step == run.timesteps.count)
    let image = try pipeline.picture(denoising.trace.latents)
    try check(image, "image")
    let wanted = try goldens.channelsLast("\(run.name).image")
    let distance = zip(image.elements, wanted.elements).map { abs($0 - $1) * 255 }.max() ?? 0
    #expect(distance < 1, "\(distance) grey levels")
    // Nothing is drawn: another seed comes to the same.
    settings.seed = 7
    expectSame(
      try pipeline.sample(embeddings(run.prompt, run.guidance), settings).latents, denoising.trace.latents,
      "seed 7")
  }

  @Test func whatCannotBeTakenBackIsRefused() throws {
    let path = folder("scheduler.json")
    func check(_ scheduler: String) throws -> String {
      try folder.write(Data(scheduler.utf8), to: "scheduler.json")
      let config = try ConfigFile(path)
      return errorMessage { try Inversion.check(config) }
    }
    #expect(
      try check(#"{"_class_name": "EulerDiscreteScheduler"}"#)
        == "a picture is inverted along the steps of ddim without fresh noise, but the sampler is EulerDiscreteScheduler; "
        + "give --sampler ddim")
    #expect(
      try check(#"{"_class_name": "DDIMScheduler", "sdlens_eta": 0.5}"#)
        == "a picture is inverted along the steps of ddim without fresh noise, but the sampler is DDIMScheduler with eta "
        + "0.5; leave --eta out")
    #expect(
      try check(#"{"_class_name": "DDIMScheduler", "timestep_spacing": "linspace"}"#)
        == "'\(path)': 'timestep_spacing' is \"linspace\", which is not supported; supported: \"leading\", \"trailing\""
    )
    #expect(
      try check(#"{"_class_name": "DDIMScheduler", "prediction_type": "sample"}"#)
        == "'\(path)': 'prediction_type' is \"sample\", which is not supported; supported: \"epsilon\", \"v_prediction\""
    )
    #expect(try check(#"{"_class_name": "DDIMScheduler"}"#) == "")
    #expect(
      errorMessage { try Inversion(of: "x", guidance: -1) }
        == "source-guidance is -1.0, but it must be from 0 to 1000 (above 1 it acts)")
  }
}
