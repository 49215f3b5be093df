import SDLensCore

/// DDIM (Song et al., "Denoising Diffusion Implicit Models", arXiv 2010.02502; diffusers: DDIMScheduler).
struct DDIM: SignalSampler, InvertibleSampler {
  static let className = "DDIMScheduler"
  let plan: SamplingPlan
  let levels: SignalLevels
  /// Training steps that a step goes back.
  private let stride: Int
  /// How much of the noise is fresh, 0…1.
  private let eta: Double

  init(_ request: SamplerRequest) throws {
    let config = request.config
    stride = request.trained / request.steps
    eta = try config.double(SamplerChoice.etaKey, in: 0...1, default: 0)
    try config.require("thresholding", false)
    try config.require("clip_sample", false, default: true)
    try request.refuseTimesteps(Self.className)
    levels = try SignalLevels(request, endsClean: true)
    plan = try levels.plan(request.counted("DDIM"), config)
  }

  /// `√ᾱ' x₀ + √(1 − ᾱ' − σ²) ε + σ · noise`, with `σ² = η² (1 − ᾱ') / (1 − ᾱ) · (1 − ᾱ / ᾱ')` (equations 12 and 16).
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    let now = Int(timesteps[step])
    let (from, to) = (levels[now], levels[now - stride])
    let (clean, old) = levels.parts(x, prediction, signal: from)
    let fresh = Float(eta) * ((1 - to) / (1 - from) * (1 - from / to)).squareRoot()
    let (a, s) = (to.squareRoot(), (1 - to - fresh * fresh).squareRoot())
    let next = clean.combined(with: old) { clean, old in a * clean + s * old }
    guard eta > 0 else { return next }
    return next.combined(with: noise(x.shape)) { next, noise in next + fresh * noise }
  }

  /// `√ᾱ x₀ + √(1 − ᾱ) ε`, with x₀ and ε of the sample after the step (diffusers: DDIMInverseScheduler; section 4.3).
  func previous(_ x: Tensor, prediction: Tensor, step: Int) -> Tensor {
    let now = Int(timesteps[step])
    let (clean, noise) = levels.parts(x, prediction, signal: levels[now - stride])
    let (a, s) = (levels[now].squareRoot(), (1 - levels[now]).squareRoot())
    return clean.combined(with: noise) { clean, noise in a * clean + s * noise }
  }
}
