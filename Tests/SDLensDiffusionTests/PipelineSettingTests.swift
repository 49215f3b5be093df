import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// What diffusers' pipelines make of the settings in the folder of a model.
@Suite struct PipelineSettingTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A copy of a model in which texts are replaced in files.
  private func model(
    _ source: String = TinyModel.path, _ changes: [(file: String, old: String, new: String)] = [],
    sampler: SamplerChoice? = nil
  ) throws -> ModelFolder {
    let path = folder("model")
    try? FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: source, toPath: path)
    for (file, old, new) in changes {
      let text = try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)
      #expect(text.contains(old), "\(file): \(old)")
      try text.replacing(old, with: new).write(toFile: "\(path)/\(file)", atomically: true, encoding: .utf8)
    }
    return try ModelFolder(path, sampler: sampler)
  }

  private let scheduler = "scheduler/scheduler_config.json"

  // StableDiffusionPipeline.__init__ makes steps_offset 1 and clip_sample false, before any from_config
  @Test(arguments: [nil, .ddim, .euler, .pndm] as [SamplerChoice.Name?])
  func oldSettingsOfStableDiffusionAreCorrected(_ name: SamplerChoice.Name?) throws {
    let choice = try name.map { try SamplerChoice($0) }
    let source = Goldens()("sd1")
    let wanted = try model(source, sampler: choice).schedulerConfig().sampler(steps: 4).timesteps
    let text = try String(contentsOfFile: "\(source)/\(scheduler)", encoding: .utf8)
    let offset = try #require(text.firstMatch(of: /"steps_offset": \d+/)).output
    let changed = try model(
      source, [(scheduler, String(offset), "\"steps_offset\": 0, \"clip_sample_range\": 1.0")],
      sampler: choice)
    #expect(try changed.schedulerConfig().sampler(steps: 4).timesteps == wanted)
  }

  // diffusers would take the class of model_index.json with the values of scheduler_config.json
  @Test func twoSamplersAreSaid() throws {
    let ancestral: JSONValue = "EulerAncestralDiscreteScheduler"
    #expect(try model().notes == [])
    let changed = try model(
      TinyModel.path, [(scheduler, "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler")])
    #expect(try changed.schedulerConfig()["_class_name"] == "EulerDiscreteScheduler")
    #expect(
      changed.notes
        == [
          "'\(changed.title)' is sampled by \"EulerDiscreteScheduler\", as its scheduler_config.json says; its "
            + "model_index.json names \(ancestral), which diffusers would take"
        ])
    let nameless = try model(TinyModel.path, [(scheduler, "\"_class_name\"", "\"_name\"")])
    #expect(try nameless.schedulerConfig()["_class_name"] == ancestral && nameless.notes == [])
    #expect(try model(sampler: SamplerChoice(.ddim)).notes == [])
  }

  // PNDMScheduler has no rescale_betas_zero_snr, which from_config leaves in its file
  @Test func pndmKnowsNoZeroSignal() throws {
    func sampler(_ settings: String) throws -> any Sampler {
      let text =
        #"{"_class_name": "PNDMScheduler", "skip_prk_steps": true, "beta_schedule": "scaled_linear"\#(settings)}"#
      return try ConfigFile(folder.write(text.utf8, to: "s.json")).sampler(steps: 4)
    }
    var noise = NoiseSource(seeds: [1])
    let (x, prediction) = (Tensor.random([1, 2, 2, 4], seed: 1), Tensor.random([1, 2, 2, 4], seed: 2))
    let all = try ["", #", "rescale_betas_zero_snr": true"#].map { settings in
      var history = SamplerHistory()
      return try sampler(settings).next(
        x, prediction: prediction, step: 0, noise: &noise, history: &history)
    }
    expectSame(all[1], all[0], "the first step")
  }

  // StableDiffusionXLPipeline takes None for false
  @Test func nullIsNotAbsent() throws {
    func negative(_ value: String?) throws -> Tensor {
      let index = try String(contentsOfFile: "\(TinyModel.path)/model_index.json", encoding: .utf8)
      let old = try #require(index.firstMatch(of: /"force_zeros_for_empty_prompt": \w+,?/)).output
      let new = value.map { "\"force_zeros_for_empty_prompt\": \($0)," } ?? ""
      let encoder = try PromptEncoder(model(TinyModel.path, [("model_index.json", String(old), new)]))
      return encoder.guided(["a"], negative: nil).embeddings
    }
    let (zeros, null) = (try negative(nil), try negative("null"))
    #expect(zeros.elements.prefix(20).allSatisfy { $0 == 0 } && null.differs(from: zeros))
    #expect(try !negative("false").differs(from: null))
  }

  @Test(arguments: ["Img2Img", "Inpaint", "ControlNet", "PAG"]) func otherPipelinesHaveTheSameParts(
    _ use: String
  ) throws {
    let name = "StableDiffusionXLPipeline"
    let other = name.replacing("Pipeline", with: "\(use)Pipeline")
    #expect(try model(TinyModel.path, [("model_index.json", name, other)]).family == .sdxl)
    let refiner = [("model_index.json", "\"\(name)\"", "\"\(other)\", \"requires_aesthetics_score\": true")]
    #expect(
      errorMessage { try model(TinyModel.path, refiner) }.contains(
        "'requires_aesthetics_score' is true, which is not supported"))
  }

  @Test func theIndexStandsForItsFolder() throws {
    let path = "\(TinyModel.path)/model_index.json"
    #expect(try ModelFolder(path).path == TinyModel.path)
  }

  // CLIPModel.save_pretrained
  @Test func theSettingsOfAWholeCLIP() throws {
    let text = try String(
      contentsOfFile: "\(TinyModel.path)/text_encoder/config.json", encoding: .utf8)
    let whole = "{\"model_type\": \"clip\", \"projection_dim\": 77, \"text_config\": \(text)}"
    let found = try TextEncoderConfig(ConfigFile(folder.write(whole.utf8, to: "c.json")))
    let wanted = try TextEncoderConfig(ConfigFile("\(TinyModel.path)/text_encoder/config.json"))
    #expect(found.width == wanted.width && found.layers == wanted.layers && found.projectionWidth == 77)
  }
}
