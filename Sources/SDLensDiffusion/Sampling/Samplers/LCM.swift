import SDLensCore

/// Steps of models distilled to consistency (Luo et al., "Latent Consistency Models", arXiv 2310.04378; diffusers:
/// LCMScheduler).
struct LCM: SignalSampler {
  static let className = "LCMScheduler"
  static let defaults = NoiseLevels.Defaults.stableDiffusion
  let plan: SamplingPlan
  let levels: SignalLevels
  /// What training steps are multiplied with in the weights.
  private let timestepScaling: Float

  init(_ request: SamplerRequest) throws {
    let config = request.config
    try config.require("thresholding", false)
    try config.require("clip_sample", false)
    timestepScaling = Float(try config.double("timestep_scaling", in: 1e-6...1e6, default: 10))
    levels = try SignalLevels(request, endsClean: true)
    plan = try levels.plan(request.distilled(), config)
  }

  /// `x₀` mixed with `x` as the model was trained, then noised anew to the next step.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    let now = Int(timesteps[step])
    let clean = levels.parts(x, prediction, signal: levels[now]).clean
    let scaled = Float(now) * timestepScaling
    let sum = scaled * scaled + 0.25
    let (skip, out) = (0.25 / sum, scaled / sum.squareRoot())
    let denoised = clean.combined(with: x) { clean, x in out * clean + skip * x }
    guard step < timesteps.count - 1 else { return denoised }
    return noised(denoised, noise(x.shape), step: step + 1)
  }
}
