import SDLensCore

/// A picture, or a batch of them, on its way from noise to latents, between two steps.
///
/// A value like `UNet.Pass`: a copy goes on from where it stands, with the same noise to come.
public struct Denoising: Sendable {
  /// What the steps taken so far have left.
  public private(set) var trace: Pipeline.Trace
  private let unet: UNet
  private let scheduler: Scheduler
  private let prompt: PromptEmbeddings
  private let settings: RunSettings
  /// The step of the schedule that the run begins with.
  private let first: Int
  private var source: NoiseSource
  /// What the scheduler remembers of earlier steps.
  private var history = Scheduler.History()

  /// Draws the noise of a run, a picture for each seed; `factor` is that between the sides of pictures and of latents.
  ///
  /// Where it begins with a picture, the draw from its latents comes before the noise; nothing is drawn where its inversion
  /// gives the noise.
  init(
    _ unet: UNet, _ scheduler: Scheduler, _ prompt: PromptEmbeddings, _ settings: RunSettings, seeds: [Seed],
    firstStep: Int, factor: Int
  ) {
    first = firstStep
    (self.unet, self.scheduler, self.prompt, self.settings) = (unet, scheduler, prompt, settings)
    source = NoiseSource(seeds: seeds)
    let shape: Shape = [
      seeds.count, settings.height / factor, settings.width / factor, unet.config.inChannels,
    ]
    guard let image = settings.image else {
      let noise = source(shape)
      trace = Pipeline.Trace(noise: noise, latents: noise.scaled(by: scheduler.initialNoiseScale))
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
      noise: noise, initial: initial, latents: scheduler.noised(initial, noise, step: firstStep))
  }

  /// How many steps have been taken, which is the number of the next.
  public var step: Int { trace.predictions.count }

  /// Whether no step is left.
  public var isDone: Bool { first + step == scheduler.timesteps.count }

  /// Whether the next step is the last.
  public var isLast: Bool { first + step == scheduler.timesteps.count - 1 }

  /// The U-net's pass of the next step, with guidance on [negative prompts, prompts], at its beginning.
  public func pass() -> UNet.Pass {
    let input = scheduler.input(trace.latents, step: first + step)
    return unet.pass(
      settings.isGuided ? .stacked([input, input]) : input,
      timestep: Double(scheduler.timesteps[first + step]),
      text: prompt.embeddings, pooled: prompt.pooled,
      timeIDs: settings.sizes.timeIDs(height: settings.height, width: settings.width), step: step)
  }

  /// Takes the next step, given what its pass predicted.
  public mutating func advance(by output: Tensor) {
    let prediction = settings.isGuided ? Pipeline.guide(output, by: Float(settings.guidance)) : output
    trace.latents = scheduler.next(
      trace.latents, prediction: prediction, step: first + step, noise: &source, history: &history)
    trace.predictions.append(prediction)
  }
}
