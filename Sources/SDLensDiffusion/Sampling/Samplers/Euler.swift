import SDLensCore

/// Euler's method on samples of any variance, `x₀ + σ ε` (diffusers: EulerDiscreteScheduler).
struct Euler: ConfiguredSampler {
  static let className = "EulerDiscreteScheduler"
  let levels: EulerLevels
  var plan: SamplingPlan { levels.plan }

  init(_ request: SamplerRequest) throws {
    let config = request.config
    try config.require("interpolation_type", "linear")
    try config.require("timestep_type", "discrete")
    for key in ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"] {
      try config.require(key, false)
    }
    levels = try EulerLevels(request, last: request.lastSigma)
  }

  func input(_ x: Tensor, step: Int) -> Tensor { levels.input(x, step: step) }
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor { levels.noised(x, noise, step: step) }

  /// With `x₀` the clean sample the prediction stands for, `x + (x - x₀) / σ · (σ' - σ)`, σ' of the next step.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    levels.next(x, prediction, step: step, to: plan.sigmas[step + 1])
  }
}

/// Euler's method with fresh noise in every step (diffusers: EulerAncestralDiscreteScheduler).
struct EulerAncestral: ConfiguredSampler {
  static let className = "EulerAncestralDiscreteScheduler"
  let levels: EulerLevels
  var plan: SamplingPlan { levels.plan }

  init(_ request: SamplerRequest) throws {
    try request.config.require("prediction_type", "epsilon", "v_prediction")
    try request.refuseTimesteps(Self.className)
    levels = try EulerLevels(request, last: 0)
  }

  func input(_ x: Tensor, step: Int) -> Tensor { levels.input(x, step: step) }
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor { levels.noised(x, noise, step: step) }

  /// Euler's step to `σ_down² = σ'² - σ_up²`, then `σ_up · noise` with `σ_up² = σ'² (σ² - σ'²) / σ²`; noise is drawn in the
  /// last step too, where σ_up is 0.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    let (from, to) = (plan.sigmas[step], plan.sigmas[step + 1])
    let up = (to * to * (from * from - to * to) / (from * from)).squareRoot()
    let down = (to * to - up * up).squareRoot()
    return levels.next(x, prediction, step: step, to: down)
      .combined(with: noise(x.shape)) { next, noise in next + noise * up }
  }
}

/// What both share: σ of the steps, and samples that are scaled for the model.
struct EulerLevels: Sendable {
  let plan: SamplingPlan
  private let prediction: Prediction

  init(_ request: SamplerRequest, last: Float) throws {
    let spaced = try request.spaced()
    let timesteps = request.given ?? spaced
    let sigmas = timesteps.map(request.levels.sigma)
    try UnusableNoise.check(sigmas, at: timesteps, request.config)
    let largest = max(sigmas.max() ?? 0, last)
    let isLeading = request.config["timestep_spacing"] == "leading"
    prediction = request.prediction
    plan = SamplingPlan(
      timesteps: timesteps, sigmas: sigmas + [last],
      initialNoiseScale: isLeading ? (largest * largest + 1).squareRoot() : largest)
  }

  /// `x / √(σ² + 1)`
  func input(_ x: Tensor, step: Int) -> Tensor {
    let scale = (plan.sigmas[step] * plan.sigmas[step] + 1).squareRoot()
    var input = x
    input.withMutableElements { x in for index in x.indices { x[index] /= scale } }
    return input
  }

  /// `x + σ · noise`
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor {
    let sigma = plan.sigmas[step]
    return x.combined(with: noise) { x, noise in x + sigma * noise }
  }

  /// `x + (x - x₀) / σ · (σ' - σ)`
  func next(_ x: Tensor, _ prediction: Tensor, step: Int, to: Float) -> Tensor {
    let from = plan.sigmas[step]
    let clean = self.clean(x, prediction, sigma: from)
    return x.combined(with: clean) { x, clean in x + (x - clean) / from * (to - from) }
  }

  /// The clean sample that a prediction stands for: `x - σ ε`, or `x / (σ² + 1) - v σ / √(σ² + 1)`.
  private func clean(_ x: Tensor, _ prediction: Tensor, sigma: Float) -> Tensor {
    switch self.prediction {
    case .noise: return x.combined(with: prediction) { x, noise in x - sigma * noise }
    case .velocity:
      let variance = sigma * sigma + 1
      let scale = -sigma / variance.squareRoot()
      return x.combined(with: prediction) { x, velocity in velocity * scale + x / variance }
    case .clean: return prediction
    }
  }
}
