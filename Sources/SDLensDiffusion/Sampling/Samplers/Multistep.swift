import Foundation
import SDLensCore

/// DPM-Solver++ of second order, which looks at two predictions, with σ as trained or spaced as Karras et al. have it
/// (Lu et al., arXiv 2211.01095, algorithm 2; Karras et al., arXiv 2206.00364, equation 5; diffusers:
/// DPMSolverMultistepScheduler).
struct Multistep: ConfiguredSampler {
  static let className = "DPMSolverMultistepScheduler"
  let plan: SamplingPlan
  private let prediction: Prediction
  /// Whether the last step looks at one prediction only.
  private let endsInFirstOrder: Bool

  init(_ request: SamplerRequest) throws {
    let config = request.config
    try config.require("solver_order", 2)
    try config.require("algorithm_type", "dpmsolver++")
    try config.require("solver_type", "midpoint")
    for key in [
      "thresholding", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas",
      "use_dynamic_shifting",
    ] {
      try config.require(key, false)
    }
    try config.require("variance_type", .null)
    let (timesteps, sigmas) =
      try config.bool("use_karras_sigmas", default: false)
      ? Self.karras(request) : Self.trained(request)
    try UnusableNoise.check(sigmas, at: timesteps, config)
    plan = SamplingPlan(timesteps: timesteps, sigmas: sigmas + [try request.lastSigma])
    prediction = request.prediction
    let lowers = try config.bool("lower_order_final", default: true) && timesteps.count < 15
    endsInFirstOrder =
      try lowers || config.bool("euler_at_final", default: false)
      || (config["final_sigmas_type"] ?? "zero") == "zero"
  }

  /// The training steps of a run, and σ of them.
  private static func trained(_ request: SamplerRequest) throws -> (timesteps: [Float], sigmas: [Float]) {
    let (steps, offset) = (request.steps, try request.offset)
    let left = try leftOut(request)
    let trained = request.trained - left
    let spacing: TimestepSpacing = try request.config.choice("timestep_spacing", default: .linspace)
    let timesteps =
      request.given
      ?? {
        switch spacing {
        case .linspace:
          let step = Double(trained - 1) / Double(steps)
          // NumPy sets the end itself.
          return (1...steps).reversed().map {
            Float(($0 == steps ? Double(trained - 1) : Double($0) * step).rounded(.toNearestOrEven))
          }
        case .leading:
          return (1...steps).reversed().map { Float($0 * (trained / (steps + 1)) + offset) }
        case .trailing: return spacing.timesteps(steps, of: request.trained, offset: offset, without: left)
        }
      }()
    return (timesteps, timesteps.map(request.levels.sigma))
  }

  /// How many training steps, the noisiest, are left out: those with λ = -log σ below `lambda_min_clipped`.
  private static func leftOut(_ request: SamplerRequest) throws -> Int {
    let (config, key) = (request.config, "lambda_min_clipped")
    guard let least = config[key], least != .double(-.infinity) else { return 0 }
    let lambda = try Float(config.double(key))
    let count = request.levels.sigmas.count { -log($0) < lambda }
    guard count < request.trained else {
      throw UnsupportedConfigValue(
        path: config.path, key: config.label(key), found: least, supported: [.double(-.infinity)])
    }
    return count
  }

  /// σ from the largest to the smallest, evenly spaced in their seventh roots, and the training steps nearest to them.
  private static func karras(_ request: SamplerRequest) throws -> (timesteps: [Float], sigmas: [Float]) {
    try request.refuseTimesteps("dpm++-2m-karras")
    // With the cosine, diffusers takes a training step twice and runs out of bounds.
    try request.config.require("beta_schedule", "linear", "scaled_linear")
    let (all, steps) = (request.levels.sigmas, request.steps)
    for (timestep, sigma) in all.enumerated() where !(sigma > 0 && sigma.isFinite) {
      throw UnusableNoise(request.config, sigma: sigma, timestep: Float(timestep))
    }
    let power = 7.0
    let (low, high) = (pow(Double(all[0]), 1 / power), pow(Double(all[all.count - 1]), 1 / power))
    let sigmas = (0..<steps).map { index in
      pow(high + (steps > 1 ? Double(index) / Double(steps - 1) : 0) * (low - high), power)
    }
    let logs = all.map { Double(log($0)) }
    let timesteps = sigmas.map { sigma in
      let wanted = log(max(sigma, 1e-10))
      let below = min(max((logs.firstIndex { $0 > wanted } ?? logs.count) - 1, 0), logs.count - 2)
      let share = min(max((logs[below] - wanted) / (logs[below] - logs[below + 1]), 0), 1)
      let timestep = (1 - share) * Double(below) + share * Double(below + 1)
      return Float(timestep.rounded(.toNearestOrEven))
    }
    return (timesteps, sigmas.map { Float($0) })
  }

  /// `(x + σ · noise) / √(σ² + 1)`
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor {
    let sigma = plan.sigmas[step]
    let kept = 1 / (sigma * sigma + 1).squareRoot()
    let added = sigma * kept
    return x.combined(with: noise) { x, noise in kept * x + added * noise }
  }

  /// With `λ = log √ᾱ − log √(1 − ᾱ)`, `h = λ' − λ`: `σ'/σ x − α' (e⁻ʰ − 1) (x₀ + (x₀ − x₀ of the step before) / 2r)`.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    func level(_ sigma: Float) -> (alpha: Float, sigma: Float, lambda: Float) {
      let alpha = 1 / (sigma * sigma + 1).squareRoot()
      return (alpha, sigma * alpha, log(alpha) - log(sigma * alpha))
    }
    let (from, to) = (level(plan.sigmas[step]), level(plan.sigmas[step + 1]))
    let clean: Tensor =
      switch self.prediction {
      case .noise: x.combined(with: prediction) { x, noise in (x - from.sigma * noise) / from.alpha }
      case .velocity:
        x.combined(with: prediction) { x, velocity in from.alpha * x - from.sigma * velocity }
      case .clean: prediction
      }
    let earlier = history.predictions.last
    history.predictions = [clean]
    let h = to.lambda - from.lambda
    let (kept, added) = (to.sigma / from.sigma, to.alpha * (exp(-h) - 1))
    let next = x.combined(with: clean) { x, clean in kept * x - added * clean }
    guard let earlier, step > 0, !(step == timesteps.count - 1 && endsInFirstOrder) else { return next }
    let ratio = (from.lambda - level(plan.sigmas[step - 1]).lambda) / h
    let change = clean.combined(with: earlier) { clean, earlier in 1 / ratio * (clean - earlier) }
    return next.combined(with: change) { next, change in next - 0.5 * added * change }
  }
}
