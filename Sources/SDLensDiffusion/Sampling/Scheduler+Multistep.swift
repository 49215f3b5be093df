import Foundation
import SDLensCore

/// DPM-Solver++ of second order, which looks at two predictions, with σ as trained or spaced as Karras et al. have it
/// (Lu et al., arXiv 2211.01095, algorithm 2; Karras et al., arXiv 2206.00364, equation 5).
extension Scheduler {
  /// The training steps and σ of a run, and the last σ.
  static func multistepPlan(
    _ config: ConfigFile, _ steps: Int, _ levels: NoiseLevels, given: [Float]?, spacing: Spacing, offset: Int
  ) throws -> (timesteps: [Float], sigmas: [Float], last: Float) {
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
    try config.require("final_sigmas_type", "zero", "sigma_min")
    let last = config["final_sigmas_type"] == "sigma_min" ? levels.sigmas[0] : 0
    let trained = levels.sigmas.count
    if try config.bool("use_karras_sigmas", default: false) {
      if given != nil { throw NoGivenTimesteps(method: .multistep) }
      // With the cosine, diffusers takes a training step twice and runs out of bounds.
      try config.require("beta_schedule", "linear", "scaled_linear")
      for (timestep, sigma) in levels.sigmas.enumerated() where !(sigma > 0 && sigma.isFinite) {
        throw UnusableNoise(config, sigma: sigma, timestep: Float(timestep))
      }
      let (sigmas, timesteps) = karras(steps, levels)
      return (timesteps, sigmas, last)
    }
    let timesteps =
      given
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
        case .trailing: return Self.timesteps(steps, of: trained, spacing, offset: offset)
        }
      }()
    return (timesteps, timesteps.map(levels.sigma), last)
  }

  /// σ from the largest to the smallest, evenly spaced in their seventh roots, and the training steps nearest to them.
  private static func karras(
    _ steps: Int, _ levels: NoiseLevels
  ) -> (sigmas: [Float], timesteps: [Float]) {
    let power = 7.0
    let (low, high) = (
      pow(Double(levels.sigmas[0]), 1 / power), pow(Double(levels.sigmas[levels.sigmas.count - 1]), 1 / power)
    )
    let sigmas = (0..<steps).map { index in
      pow(high + (steps > 1 ? Double(index) / Double(steps - 1) : 0) * (low - high), power)
    }
    let logs = levels.sigmas.map { Double(log($0)) }
    let timesteps = sigmas.map { sigma in
      let wanted = log(max(sigma, 1e-10))
      let below = min(max((logs.firstIndex { $0 > wanted } ?? logs.count) - 1, 0), logs.count - 2)
      let share = min(max((logs[below] - wanted) / (logs[below] - logs[below + 1]), 0), 1)
      let timestep = (1 - share) * Double(below) + share * Double(below + 1)
      return Float(timestep.rounded(.toNearestOrEven))
    }
    return (sigmas.map { Float($0) }, timesteps)
  }

  static func endsInFirstOrder(_ config: ConfigFile, steps: Int) throws -> Bool {
    let lowers = try config.bool("lower_order_final", default: true) && steps < 15
    return try lowers || config.bool("euler_at_final", default: false)
      || (config["final_sigmas_type"] ?? "zero") == "zero"
  }

  /// With `λ = log √ᾱ − log √(1 − ᾱ)`, `h = λ' − λ`: `σ'/σ x − α' (e⁻ʰ − 1) (x₀ + (x₀ − x₀ of the step before) / 2r)`.
  func nextOfMultistep(_ x: Tensor, _ prediction: Tensor, step: Int, history: inout History) -> Tensor {
    func level(_ sigma: Float) -> (alpha: Float, sigma: Float, lambda: Float) {
      let alpha = 1 / (sigma * sigma + 1).squareRoot()
      return (alpha, sigma * alpha, log(alpha) - log(sigma * alpha))
    }
    let (from, to) = (level(sigmas[step]), level(sigmas[step + 1]))
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
    let ratio = (from.lambda - level(sigmas[step - 1]).lambda) / h
    let change = clean.combined(with: earlier) { clean, earlier in 1 / ratio * (clean - earlier) }
    return next.combined(with: change) { next, change in next - 0.5 * added * change }
  }
}
