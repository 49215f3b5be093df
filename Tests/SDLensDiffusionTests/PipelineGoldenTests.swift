import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Whole runs equal diffusers, step by step; the recipe is in Scripts/goldens/pipeline.py.
@Suite struct PipelineGoldenTests {
  struct Run: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let prompts, cache, ablate: [String]
    let negative_prompts: [String]?
    let force_zeros_for_empty_prompt: Bool
    let seeds: [Seed]
    let steps, width, height: Int
    let guidance: Double
    let scheduler: [String: Setting]
    var testDescription: String { name }
    var isGuided: Bool { guidance > 1 }

    /// A value of the scheduler's configuration, as JSON.
    struct Setting: Decodable, Sendable {
      let json: String
      init(from decoder: any Swift.Decoder) throws {
        let value = try decoder.singleValueContainer()
        json = try (try? "\"\(value.decode(String.self))\"") ?? "\(value.decode(Double.self))"
      }
    }

    /// The rows of one picture in a batch: with guidance [negative…, prompt…].
    func rows(of tensor: Tensor, _ picture: Int) -> Tensor {
      let one = tensor.picture(picture)
      return isGuided ? .stacked([one, tensor.picture(prompts.count + picture)]) : one
    }
  }

  static let runs: [Run] = (try? Goldens().json("pipeline.json")) ?? []
  let goldens: Safetensors
  let folder: TemporaryFolder

  init() throws {
    goldens = try TinyModel.goldens("pipeline")
    folder = try TemporaryFolder()
  }

  /// The tiny model with the settings of a run.
  private func model(_ run: Run) throws -> ModelFolder {
    try TinyModel.copy(to: folder)
    try TinyModel.set(
      "force_zeros_for_empty_prompt", to: "\(run.force_zeros_for_empty_prompt)", in: "model_index.json",
      of: folder)
    for (key, value) in run.scheduler {
      try TinyModel.set(key, to: value.json, in: "scheduler/scheduler_config.json", of: folder)
    }
    return try ModelFolder(folder.path)
  }

  // Reached: 4.7e-6 for predictions, 2.4e-6 for latents, 2.6e-6 for blocks, 7.5e-6 for images.
  // StableDiffusionXLPipeline.from_pretrained("tiny")(prompts, generator=[…], output_type="pt", …).images
  @Test(arguments: runs.filter { $0.seeds.count == $0.prompts.count })
  func everyStepEqualsDiffusers(_ run: Run) throws {
    let model = try model(run)
    let pipeline = try Pipeline(model)
    let encoder = try PromptEncoder(model)
    let prompts =
      run.isGuided ? encoder.guided(run.prompts, negative: run.negative_prompts) : encoder(run.prompts)
    try goldens.expect(prompts.embeddings, equals: "\(run.name).prompt_embeds", within: 2e-6)
    try goldens.expect(prompts.pooled, equals: "\(run.name).pooled_prompt_embeds", within: 2e-6)
    for picture in run.prompts.indices {
      func golden(_ name: String) throws -> Tensor { try goldens.channelsLast("\(run.name).\(name)") }
      func check(_ found: Tensor, _ wanted: Tensor, _ name: String, within tolerance: Float) {
        let name = "\(run.name).\(name), picture \(picture)"
        expectClose(found, wanted, within: tolerance, name)
      }
      let prompt = PromptEmbeddings(
        embeddings: run.rows(of: prompts.embeddings, picture), pooled: run.rows(of: prompts.pooled, picture))
      var hooks = HookSet()
      for block in run.ablate { hooks.ablate(try BlockName(block)) }
      let recorder = Recorder()
      for block in run.cache { recorder.record([.input, .output], of: try BlockName(block), in: &hooks) }
      let settings = try RunSettings(
        seed: run.seeds[picture], steps: run.steps, guidance: run.guidance, height: run.height,
        width: run.width)
      var steps: [Int] = []
      let trace = try pipeline.sample(prompt, settings, hooks: hooks) { steps.append($0) }

      #expect(steps == Array(1...run.steps) && trace.predictions.count == run.steps)
      check(trace.noise, try golden("noise").picture(picture), "noise", within: 5e-7)
      for (step, prediction) in trace.predictions.enumerated() {
        check(
          prediction, try golden("noise_pred.\(step)").picture(picture), "noise_pred.\(step)", within: 2e-5)
      }
      check(trace.latents, try golden("latents").picture(picture), "latents", within: 1e-5)
      #expect(recorder.tensors.count == 2 * run.cache.count * run.steps)
      for (key, tensor) in recorder.tensors {
        let name = "\(key.block).\(key.site.rawValue).\(key.step)"
        check(tensor, run.rows(of: try golden(name), picture), name, within: 1e-5)
      }
      let image = try pipeline.picture(trace.latents)
      let wanted = try golden("image").picture(picture)
      check(image, wanted, "image", within: 3e-5)
      let distance = zip(greyLevels(image), greyLevels(wanted)).map { abs($0 - $1) }.max() ?? 0
      #expect(distance <= 1, "\(distance) grey levels")
      if goldens.contains("\(run.name).picture") {
        #expect(greyLevels(wanted) == (try golden("picture").picture(picture)).elements.map { Int($0) })
      }
    }
  }

  // (image.permute(0, 2, 3, 1).numpy() * 255).round().astype("uint8")
  private func greyLevels(_ image: Tensor) -> [Int] {
    image.elements.map { Int(($0 * 255).rounded(.toNearestOrEven)) }
  }

  // torch.randn of one generator for the whole batch
  @Test func aSharedSeedFillsTheBatch() throws {
    var source = NoiseSource(seeds: [42])
    let wanted = try goldens.channelsLast("pair.shared.noise")
    expectClose(source(wanted.shape), wanted, within: 5e-7, "pair.shared.noise")
  }

  @Test func allRunsAreThere() { #expect(Self.runs.count == 16) }

  @Test(arguments: [1, 2, 5]) func theSameRunGivesTheSameBytes(threads: Int) throws {
    let prompt = PromptEmbeddings(
      embeddings: try goldens.tensor("one.prompt_embeds"),
      pooled: try goldens.tensor("one.pooled_prompt_embeds"))
    let settings = try RunSettings(seed: 3, steps: 2, height: 72, width: 56)
    let pipeline = try TinyModel.pipeline
    let pictures = try withThreads(threads) {
      try (0..<3).map { _ in try pipeline.picture(pipeline.sample(prompt, settings).latents) }
    }
    expectSame(pictures[1], pictures[0], "the second run")
    expectSame(pictures[2], pictures[0], "the third run")
  }

  @Test func aBatchIsDecodedLikeItsPicturesAlone() throws {
    let latents = try goldens.channelsLast("pair.latents")
    let pipeline = try TinyModel.pipeline
    let both = try pipeline.picture(latents)
    for picture in 0..<2 {
      let alone = try pipeline.picture(latents.picture(picture))
      expectClose(both.picture(picture), alone, within: 1e-6, "picture \(picture)")
    }
  }
}
