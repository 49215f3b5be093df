import Foundation
import SDLensCore

/// The way from noise to latents: Euler's method on the model's prediction, with fresh noise or without, and the ways
/// of `Scheduler+Variance` and `Scheduler+Multistep`.
///
/// Equal to the schedulers of diffusers 0.42 that `Method` names.
public struct Scheduler: Sendable {
  /// The training step at which the model is asked, for every step of the run.
  public let timesteps: [Float]
  /// σ before each step, and after the last.
  public let sigmas: [Float]
  /// What the first noise is multiplied with.
  public let initialNoiseScale: Float
  let method: Method
  let prediction: Prediction
  /// What the methods of `Scheduler+Variance` need.
  let variance: VarianceSettings
  /// Whether the last step of `Scheduler+Multistep` looks at one prediction only.
  let endsInFirstOrder: Bool

  enum Method: String, CaseIterable {
    case ancestral = "EulerAncestralDiscreteScheduler"
    case euler = "EulerDiscreteScheduler"
    case ddim = "DDIMScheduler"
    case consistency = "LCMScheduler"
    case trajectory = "TCDScheduler"
    case multistep = "DPMSolverMultistepScheduler"
    case pseudo = "PNDMScheduler"

    /// Whether samples are of any variance, and scaled for the model; else they keep unit variance.
    var scalesInput: Bool { self == .ancestral || self == .euler }

    /// Whether a step is taken with ᾱ, as `Scheduler+Variance` does.
    var keepsVariance: Bool { !scalesInput && self != .multistep }

    /// What the keys of a configuration stand for where they are absent.
    var defaults: NoiseLevels.Defaults {
      self == .consistency || self == .trajectory
        ? NoiseLevels.Defaults(start: 0.00085, end: 0.012, schedule: .scaledLinear) : NoiseLevels.Defaults()
    }
  }

  /// What the steps of a run leave for later ones.
  public struct History: Sendable {
    /// Predictions, the latest last, or what they stand for.
    var predictions: [Tensor] = []
    /// The sample before the first step.
    var first: Tensor?
    /// Steps taken.
    var steps = 0

    /// That of a run before its first step.
    public init() {}
  }

  enum Prediction: String, CaseIterable {
    /// The noise in the sample, of unit variance.
    case noise = "epsilon"
    case velocity = "v_prediction"
    /// The clean sample itself.
    case clean = "sample"
  }

  enum Spacing: String, CaseIterable { case linspace, leading, trailing }

  /// Plans a run of `steps` steps after a `scheduler_config.json`.
  ///
  /// - Throws: `BadStepCount`, `UnusableNoise`, and the errors of `ConfigFile` for values that are not supported.
  public init(_ config: ConfigFile, steps: Int) throws {
    do { method = try config.choice("_class_name") } catch let problem as UnsupportedConfigValue {
      throw OtherSampler(problem: problem)
    }
    prediction = try config.choice("prediction_type", default: .noise)
    if method == .ancestral || method == .pseudo {
      try config.require("prediction_type", "epsilon", "v_prediction")
    }
    let levels = try NoiseLevels(config, method.defaults)
    var last: Float = 0
    if method == .euler {
      try config.require("interpolation_type", "linear")
      try config.require("timestep_type", "discrete")
      for key in ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"] {
        try config.require(key, false)
      }
      try config.require("final_sigmas_type", "zero", "sigma_min")
      if config["final_sigmas_type"] == "sigma_min" { last = levels.sigmas[0] }
    }
    let spacing: Spacing = try config.choice(
      "timestep_spacing", default: method == .ddim || method == .pseudo ? .leading : .linspace)
    let offset = try config.int("steps_offset", in: 0...1000, default: 0)
    let trained = levels.sigmas.count
    guard 1...trained ~= steps else { throw BadStepCount(steps: steps, most: trained) }
    variance = try VarianceSettings(config, method, levels, steps: steps)

    var given = try SamplerChoice.timesteps(config, below: trained)?.map { Float($0) }
    if given != nil, [.ancestral, .ddim, .pseudo].contains(method) { throw NoGivenTimesteps(method: method) }
    var sigmas: [Float]?
    switch method {
    case .ancestral, .euler: given = given ?? Self.timesteps(steps, of: trained, spacing, offset: offset)
    case .ddim, .pseudo:
      let all = Self.timesteps(steps, of: trained, spacing, offset: offset).map {
        $0.rounded(.toNearestOrEven)
      }
      guard all.count == steps, all.allSatisfy({ 0..<Float(trained) ~= $0 }) else {
        throw BadSteps(config, steps: steps, first: all.first ?? 0)
      }
      // The second is taken twice: the first time from where the run began.
      given = method == .pseudo ? Array(all.prefix(2) + all.dropFirst()) : all
    case .consistency, .trajectory: given = try given ?? Self.distilledTimesteps(config, steps, of: trained)
    case .multistep:
      let plan = try Self.multistepPlan(
        config, steps, levels, given: given, spacing: spacing, offset: offset)
      (given, sigmas, last) = (plan.timesteps, plan.sigmas, plan.last)
    }
    let timesteps = given ?? []
    self.timesteps = timesteps
    endsInFirstOrder = try Self.endsInFirstOrder(config, steps: timesteps.count)
    let scales = method.scalesInput
    let before =
      sigmas
      ?? timesteps.map { timestep in
        guard !scales else { return levels.sigma(at: timestep) }
        let signal = levels.signals[Int(timestep)]
        return ((1 - signal) / signal).squareRoot()
      }
    self.sigmas = before + [last]
    for (sigma, timestep) in zip(before, timesteps)
    where !(sigma > 0 && (sigma * sigma).isFinite) && (!method.keepsVariance || prediction == .noise) {
      throw UnusableNoise(config, sigma: sigma, timestep: timestep)
    }
    let largest = self.sigmas.max() ?? 0
    initialNoiseScale =
      !method.scalesInput ? 1 : spacing == .leading ? (largest * largest + 1).squareRoot() : largest
  }

  /// The training steps of a run, latest first.
  static func timesteps(_ steps: Int, of trained: Int, _ spacing: Spacing, offset: Int) -> [Float] {
    switch spacing {
    case .linspace:
      let step = steps > 1 ? Double(trained - 1) / Double(steps - 1) : 0
      return (0..<steps).reversed().map { Float(Double($0) * step) }
    case .leading:
      return (0..<steps).reversed().map { Float($0 * (trained / steps)) + Float(offset) }
    case .trailing:
      // As NumPy counts from `trained` down to 0: for 61 steps and some other numbers its rounding finds room
      // for one more, at -1, and diffusers takes it.
      let (start, step) = (Double(trained), Double(trained) / Double(steps))
      let difference = (start - step) - start
      return (0..<Int((start / step).rounded(.up))).map {
        Float((start + Double($0) * difference).rounded(.toNearestOrEven)) - 1
      }
    }
  }

  /// What the model is shown before a step: `x / √(σ² + 1)` with Euler's methods, else `x`.
  public func input(_ x: Tensor, step: Int) -> Tensor {
    guard method.scalesInput else { return x }
    let scale = (sigmas[step] * sigmas[step] + 1).squareRoot()
    var input = x
    input.withMutableElements { x in for index in x.indices { x[index] /= scale } }
    return input
  }

  /// A clean sample with the noise of unit variance that it has before a step: `x + σ · noise` with Euler's methods, else
  /// `√ᾱ x + √(1 − ᾱ) noise`.
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor {
    let sigma = sigmas[step]
    var (kept, added) = (Float(1), sigma)
    if method.keepsVariance {
      let signal = variance.signals[Int(timesteps[step])]
      (kept, added) = (signal.squareRoot(), (1 - signal).squareRoot())
    } else if method == .multistep {
      kept = 1 / (sigma * sigma + 1).squareRoot()
      added = sigma * kept
    }
    return x.combined(with: noise) { x, noise in kept * x + added * noise }
  }

  /// The sample after a step from the model's prediction for the sample `x` before it.
  ///
  /// `history` is what earlier steps of the same run have left for later ones.
  public func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout History
  ) -> Tensor {
    switch method {
    case .ancestral, .euler: nextOfEuler(x, prediction, step: step, noise: &noise)
    case .ddim: nextOfDDIM(x, prediction, step: step, noise: &noise)
    case .consistency: nextOfLCM(x, prediction, step: step, noise: &noise)
    case .trajectory: nextOfTCD(x, prediction, step: step, noise: &noise)
    case .multistep: nextOfMultistep(x, prediction, step: step, history: &history)
    case .pseudo: nextOfPNDM(x, prediction, step: step, history: &history)
    }
  }

  /// With `x₀` the clean sample the prediction stands for, `x + (x - x₀) / σ · (σ_down - σ) + σ_up · noise`.
  /// Euler has `σ_down = σ'`, σ of the next step, and no noise. The ancestral method has
  /// `σ_up² = σ'² (σ² - σ'²) / σ²` and `σ_down² = σ'² - σ_up²`; it draws noise in the last step too, where
  /// σ_up is 0.
  private func nextOfEuler(
    _ x: Tensor, _ prediction: Tensor, step: Int, noise: inout NoiseSource
  ) -> Tensor {
    let (from, to) = (sigmas[step], sigmas[step + 1])
    let clean = self.clean(x, prediction, sigma: from)
    var up: Float = 0
    var down = to
    if method == .ancestral {
      up = (to * to * (from * from - to * to) / (from * from)).squareRoot()
      down = (to * to - up * up).squareRoot()
    }
    let next = x.combined(with: clean) { x, clean in x + (x - clean) / from * (down - from) }
    guard method == .ancestral else { return next }
    return next.combined(with: noise(x.shape)) { next, noise in next + noise * up }
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

extension Tensor {
  /// A function of two tensors, element by element; for latents, which are small.
  func combined(with other: Tensor, _ function: (Float, Float) -> Float) -> Tensor {
    precondition(shape == other.shape, "\(shape) with \(other.shape)")
    var result = Tensor(uninitialized: shape)
    result.withMutableElements { result in
      withElements { x in
        other.withElements { y in
          for index in result.indices { result[index] = function(x[index], y[index]) }
        }
      }
    }
    return result
  }
}

/// A sampler that a model asks for and that is not there.
struct OtherSampler: UserError {
  let problem: UnsupportedConfigValue
  var description: String { "\(problem); or choose one with --sampler, as ddim" }
}

/// A number of steps that the noise levels of the model do not allow.
struct BadStepCount: UserError {
  let steps: Int
  let most: Int
  var description: String { "\(steps) steps cannot be taken; choose 1 to \(most)" }
}

/// A number of steps for which DDIM or PNDM would have to ask the model at a training step that there is not.
struct BadSteps: UserError {
  let description: String

  init(_ config: ConfigFile, steps: Int, first: Float) {
    description =
      "'\(config.path)': with 'timestep_spacing' \(config["timestep_spacing"] ?? "leading") and 'steps_offset' "
      + "\(config["steps_offset"] ?? 0) \(config["_class_name"] == "PNDMScheduler" ? "PNDM" : "DDIM") takes no \(steps) steps, the first being \(Int(first)): choose another "
      + "number of steps"
  }
}

/// Training steps that were given for a sampler that chooses its own.
struct NoGivenTimesteps: UserError {
  let method: Scheduler.Method
  var description: String {
    "\(method == .multistep ? "dpm++-2m-karras" : method.rawValue) takes no --timesteps; choose --sampler euler, lcm, tcd or dpm++-2m, or give --steps"
  }
}

/// Noise levels of a model between which no step can be taken.
struct UnusableNoise: UserError {
  let description: String

  init(_ config: ConfigFile, sigma: Float, timestep: Float) {
    let fields = ["beta_start", "beta_end", "num_train_timesteps"].compactMap { key in
      config[key].map { "'\(key)' \($0)" }
    }
    description =
      "'\(config.path)': with \(fields.isEmpty ? "its numbers" : fields.joined(separator: ", ")) the noise at training "
      + "step \(Int(timestep)) is \(sigma.isNaN ? "no number" : "\(sigma)"), but it must be above 0 and finite; take the file that belongs to the model"
  }
}
