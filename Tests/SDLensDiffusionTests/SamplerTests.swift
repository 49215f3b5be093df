import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// The samplers beside Euler's equal diffusers, step by step; the recipe is in Scripts/goldens/samplers.py.
@Suite struct SamplerTests {
  private struct Run: Decodable {
    let name: String
    let steps: Int
    let given: [Int]?
    let eta: Double
    let timesteps: [Float]
    let init_noise_sigma: Float
  }

  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The configuration of the run of that number, with what the command line would put into it.
  private func config(_ index: Int, _ objects: [[String: Any]]) throws -> ConfigFile {
    var config = objects[index]["config"] as? [String: Any] ?? [:]
    if let given = objects[index]["given"] as? [Int] { config["sdlens_timesteps"] = given }
    config["sdlens_eta"] = objects[index]["eta"]
    return try ConfigFile(
      folder.write(JSONSerialization.data(withJSONObject: config), to: "scheduler_config.json"))
  }

  /// diffusers writes this key into every configuration of DPM-Solver++.
  @Test func infinityIsWrittenAsPythonDoes() throws {
    func timesteps(_ settings: String) throws -> [Float] {
      let text =
        "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"beta_schedule\": \"scaled_linear\"\(settings)}"
      return try ConfigFile(folder.write(text.utf8, to: "scheduler_config.json")).sampler(steps: 6).timesteps
    }
    let plain = try timesteps("")
    #expect(try timesteps(", \"lambda_min_clipped\": -Infinity") == plain)
    #expect(try timesteps(", \"lambda_min_clipped\": -1") != plain)
    #expect(
      errorMessage { try timesteps(", \"lambda_min_clipped\": NaN") }.hasSuffix(
        "'lambda_min_clipped' is nan, but it must be a number from -1e+30 to 1e+30"))
  }

  // Reached: 7.3e-7 of the larger sample.
  // scheduler.set_timesteps(…); scheduler.step with the model 0.3 x cos(t / 300) + 0.1
  @Test func trajectoriesAreThoseOfDiffusers() throws {
    let tensors = try Goldens().tensors("samplers.safetensors")
    let runs = try Goldens().json("samplers.json", as: [Run].self)
    let data = try Data(contentsOf: URL(fileURLWithPath: Goldens()("samplers.json")))
    let objects = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    #expect(runs.count > 100)
    for (index, run) in runs.enumerated() {
      let scheduler = try config(index, objects).sampler(steps: run.steps)
      #expect(scheduler.timesteps == run.timesteps, "\(run.name)")
      #expect(
        abs(scheduler.plan.initialNoiseScale - run.init_noise_sigma) <= 2e-7 * run.init_noise_sigma,
        "\(run.name)")
      var noise = NoiseSource(seeds: [7])
      var sample = noise([1, 4, 4, 4]).scaled(by: scheduler.plan.initialNoiseScale)
      var history = SamplerHistory()
      for (step, timestep) in scheduler.timesteps.enumerated() {
        let slope = Float(0.3 * cos(Double(timestep) / 300))
        let prediction = scheduler.input(sample, step: step).scaled(by: slope, plus: 0.1)
        let before = sample
        sample = scheduler.next(
          before, prediction: prediction, step: step, noise: &noise, history: &history)
        let wanted = try tensors.tensor("\(run.name).\(step)").channelsLast()
        let closeness = Closeness(sample.elements, to: wanted.elements)
        let scale = max(before.elements.map(abs).max() ?? 0, wanted.elements.map(abs).max() ?? 0)
        #expect(closeness.largestError < 3e-6 * scale, "\(run.name), step \(step): \(closeness)")
      }
    }
  }

  private func refusal(_ json: String, steps: Int = 4) -> String {
    errorMessage { try ConfigFile(folder.write(json.utf8, to: "s.json")).sampler(steps: steps) }
      .replacing(folder("s.json"), with: "FILE")
  }

  @Test func whatWouldBeComputedOtherwiseIsRefused() {
    let other = "or choose another sampler with --sampler"
    #expect(
      refusal(#"{"_class_name": "DDIMScheduler"}"#)
        == "'FILE': 'clip_sample' is true, which is not supported; supported: false; \(other)")
    #expect(
      refusal(#"{"_class_name": "LCMScheduler", "thresholding": true}"#)
        == "'FILE': 'thresholding' is true, which is not supported; supported: false; \(other)")
    #expect(
      refusal(#"{"_class_name": "LCMScheduler"}"#, steps: 51) == "51 steps cannot be taken; choose 1 to 50")
    #expect(
      refusal(#"{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}"#)
        == "'FILE': 'solver_order' is 3, which is not supported; supported: 2; \(other)")
    #expect(
      refusal(#"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}"#)
        == "'FILE': 'algorithm_type' is \"sde-dpmsolver++\", which is not supported; supported: \"dpmsolver++\"; \(other)"
    )
    #expect(
      refusal(#"{"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "sample"}"#)
        == "'FILE': 'prediction_type' is \"sample\", which is not supported; supported: \"epsilon\", \"v_prediction\"; \(other)"
    )
    let ddim = #""_class_name": "DDIMScheduler", "clip_sample": false, "timestep_spacing": "trailing""#
    #expect(
      refusal("{\(ddim)}", steps: 61)
        == "'FILE': with 'timestep_spacing' \"trailing\" and 'steps_offset' 0 DDIM takes no 61 steps, the first being "
        + "999: choose another number of steps")
    // A sample without signal says nothing of the picture unless velocity is predicted.
    #expect(
      refusal(
        #"{"_class_name": "DDIMScheduler", "clip_sample": false, "rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}"#
      ).hasPrefix(
        "'FILE': with its numbers the noise at training step 999 is inf, but it must be above 0 and finite"))
  }

  @Test func aChoiceTakesThePlaceOfTheModelsOwn() throws {
    let choice = try SamplerChoice(.lcm, timesteps: [999, 749, 499, 249])
    let model = try ModelFolder(TinyModel.path, sampler: choice)
    #expect(try model.schedulerConfig().sampler(steps: 4).timesteps == [999, 749, 499, 249])
    #expect(choice.title == "lcm, at 999 749 499 249")
    #expect(try model.fingerprint().value != ModelFolder(TinyModel.path).fingerprint().value)
    for name in [SamplerChoice.Name.ddim, .ancestral] {
      let model = try ModelFolder(TinyModel.path, sampler: SamplerChoice(name, timesteps: [800]))
      #expect(
        errorMessage { try model.schedulerConfig().sampler(steps: 1) }.hasSuffix(
          " takes no --timesteps; choose --sampler euler, lcm, tcd or dpm++-2m, or give --steps"))
    }
    let late = try ModelFolder(TinyModel.path, sampler: SamplerChoice(.lcm, timesteps: [1000]))
    #expect(
      errorMessage { try late.schedulerConfig().sampler(steps: 1) }
        == "a timestep is 1000, but it must be from 0 to 999")
    #expect(
      errorMessage { try SamplerChoice(.lcm, timesteps: [249, 499]) }
        == "timesteps is 249 499, but it must be training steps from the latest down, as in 999 749 499 249")
    #expect(errorMessage { try SamplerChoice(.tcd, eta: 1.5) } == "eta is 1.5, but it must be from 0 to 1")
  }

  @Test(arguments: SamplerChoice.Name.allCases) func everySamplerMakesAPicture(_ name: SamplerChoice.Name)
    throws
  {
    let model = try ModelFolder(TinyModel.path, sampler: SamplerChoice(name))
    let pipeline = try Pipeline(model)
    let prompt = try PromptEncoder(model).guided(["a cat"], negative: nil)
    let settings = try RunSettings(seed: 3, steps: 3, guidance: 2, height: 32, width: 32)
    let trace = try pipeline.sample(prompt, settings)
    // PNDM asks twice at one of them.
    #expect(
      trace.predictions.count == (name == .pndm ? 4 : 3) && trace.latents.elements.allSatisfy(\.isFinite))
    // Stopped between two steps and copied, it is the same run.
    var run = try pipeline.start(prompt, settings)
    var pass = run.pass()
    run.advance(by: pass.finish())
    var copy = run
    while !copy.isDone {
      var pass = copy.pass()
      copy.advance(by: pass.finish())
    }
    expectSame(copy.trace.latents, trace.latents, "\(name)")
  }
}
