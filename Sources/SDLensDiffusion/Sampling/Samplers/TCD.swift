import SDLensCore

/// Steps of models distilled along trajectories (Zheng et al., "Trajectory Consistency Distillation", arXiv 2402.19159;
/// diffusers: TCDScheduler).
struct TCD: SignalSampler {
  static let className = "TCDScheduler"
  static let defaults = NoiseLevels.Defaults.stableDiffusion
  let plan: SamplingPlan
  let levels: SignalLevels
  /// How much of the noise is fresh, 0…1.
  private let eta: Double

  init(_ request: SamplerRequest) throws {
    let config = request.config
    eta = try config.double(SamplerChoice.etaKey, in: 0...1, default: 0)
    try config.require("thresholding", false)
    try config.require("clip_sample", false)
    levels = try SignalLevels(request, endsClean: true)
    plan = try levels.plan(request.distilled(), config)
  }

  /// To the training step `⌊(1 − η) t'⌋` without noise, then to `t'` with it.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    let isLast = step == timesteps.count - 1
    let then = isLast ? 0 : Int(timesteps[step + 1])
    let between = levels[Int((Float(1 - eta) * Float(then)).rounded(.down))]
    let (clean, old) = levels.parts(x, prediction, signal: levels[Int(timesteps[step])])
    let (a, s) = (between.squareRoot(), (1 - between).squareRoot())
    let next = clean.combined(with: old) { clean, old in a * clean + s * old }
    guard eta > 0, !isLast else { return next }
    let share = levels[then] / between
    let (kept, fresh) = (share.squareRoot(), (1 - share).squareRoot())
    return next.combined(with: noise(x.shape)) { next, noise in kept * next + fresh * noise }
  }
}
