import SDLensCore

/// A picture, or a batch of them, on its way from noise to latents, between two steps.
///
/// A value like `DenoiserPass`: a copy goes on from where it stands, with the same noise to come.
public struct Denoising: Sendable {
  /// What the steps taken so far have left.
  public private(set) var trace: Pipeline.Trace
  private let denoiser: any Denoiser
  private let sampler: any Sampler
  private let prompt: PromptEmbeddings
  private let settings: RunSettings
  /// The step of the schedule that the run begins with.
  private let first: Int
  private var source: NoiseSource
  /// What the sampler remembers of earlier steps.
  private var history = SamplerHistory()

  /// Draws the noise of a run, a picture for each seed; `factor` is that between the sides of pictures and of latents.
  ///
  /// Where it begins with a picture, the draw from its latents comes before the noise; nothing is drawn where its inversion
  /// gives the noise.
  init(
    _ denoiser: any Denoiser, _ sampler: any Sampler, _ prompt: PromptEmbeddings, _ settings: RunSettings,
    seeds: [Seed],
    firstStep: Int, factor: Int
  ) {
    first = firstStep
    (self.denoiser, self.sampler, self.prompt, self.settings) = (denoiser, sampler, prompt, settings)
    source = NoiseSource(seeds: seeds)
    let shape: Shape = [
      seeds.count, settings.height / factor, settings.width / factor, denoiser.layout.inChannels,
    ]
    guard let image = settings.image else {
      let noise = source(shape)
      trace = Pipeline.Trace(noise: noise, latents: noise.scaled(by: sampler.plan.initialNoiseScale))
      return
    }
    precondition(
      image.height == settings.height && image.width == settings.width,
      "a picture of \(image.width) × \(image.height) in a run of \(settings.width) × \(settings.height)")
    guard image.inversion == nil else {
      guard image.samples.count > 1 else { preconditionFailure("an inversion that is not done") }
      let samples = image.samples.map { sample in Tensor.stacked(seeds.map { _ in sample }) }
      trace = Pipeline.Trace(
        noise: samples[samples.count - 1], initial: samples[0], inversion: Array(samples.dropFirst()),
        latents: samples[samples.count - 1])
      return
    }
    let initial = image.sample(source(shape))
    let noise = source(shape)
    trace = Pipeline.Trace(
      noise: noise, initial: initial, latents: sampler.noised(initial, noise, step: firstStep))
  }

  /// How many steps have been taken, which is the number of the next.
  public var step: Int { trace.predictions.count }

  /// Whether no step is left.
  public var isDone: Bool { first + step == sampler.timesteps.count }

  /// Whether the next step is the last.
  public var isLast: Bool { first + step == sampler.timesteps.count - 1 }

  /// The network's pass of the next step, with guidance on [negative prompts, prompts], at its beginning.
  public func pass() -> any DenoiserPass {
    let input = sampler.input(trace.latents, step: first + step)
    return denoiser.pass(
      settings.isGuided ? .stacked([input, input]) : input,
      timestep: Double(sampler.timesteps[first + step]),
      text: prompt.embeddings, pooled: prompt.pooled,
      timeIDs: settings.sizes.timeIDs(height: settings.height, width: settings.width), step: step)
  }

  /// Takes the next step, given what its pass predicted.
  public mutating func advance(by output: Tensor) {
    let prediction = settings.isGuided ? Pipeline.guide(output, by: Float(settings.guidance)) : output
    trace.latents = sampler.next(
      trace.latents, prediction: prediction, step: first + step, noise: &source, history: &history)
    trace.predictions.append(prediction)
  }
}
