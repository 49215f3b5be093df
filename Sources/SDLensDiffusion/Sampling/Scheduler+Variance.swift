import Foundation
import SDLensCore

/// Samplers of samples that keep unit variance: `x = √ᾱ x₀ + √(1 − ᾱ) ε` at every training step.
extension Scheduler {
  /// What they need besides the training steps.
  struct VarianceSettings: Sendable {
    /// ᾱ of every training step.
    let signals: [Float]
    /// ᾱ before the first training step.
    let lastSignal: Float
    /// Training steps that a step of DDIM goes back.
    let stride: Int
    /// How much of the noise is fresh, 0…1.
    let eta: Double
    /// What training steps are multiplied with in the weights of LCM.
    let timestepScaling: Float

    init(_ config: ConfigFile, _ method: Method, _ levels: NoiseLevels, steps: Int) throws {
      signals = levels.signals
      eta = try config.double(SamplerChoice.etaKey, in: 0...1, default: 0)
      stride = levels.signals.count / steps
      switch method {
      case .pseudo:
        try config.require("skip_prk_steps", true, default: false)
        lastSignal = try config.bool("set_alpha_to_one", default: false) ? 1 : signals[0]
        timestepScaling = 1
      case .ddim, .consistency, .trajectory:
        try config.require("thresholding", false)
        try config.require("clip_sample", false, default: method == .ddim ? true : false)
        lastSignal = try config.bool("set_alpha_to_one", default: true) ? 1 : signals[0]
        timestepScaling = Float(try config.double("timestep_scaling", in: 1e-6...1e6, default: 10))
      default: (lastSignal, timestepScaling) = (1, 10)
      }
    }
  }

  /// `original_inference_steps` evenly spaced training steps, of which a run takes some, the last first.
  static func distilledTimesteps(_ config: ConfigFile, _ steps: Int, of trained: Int) throws -> [Float] {
    let original = try config.int("original_inference_steps", in: 1...trained, default: min(50, trained))
    guard steps <= original else { throw BadStepCount(steps: steps, most: original) }
    let between = trained / original
    return (0..<steps).map {
      let place = Int((Double($0) * (Double(original) / Double(steps))).rounded(.down))
      return Float((original - place) * between - 1)
    }
  }

  /// The clean sample and the noise that a prediction stands for.
  func parts(_ x: Tensor, _ prediction: Tensor, signal: Float) -> (clean: Tensor, noise: Tensor) {
    let (a, s) = (signal.squareRoot(), (1 - signal).squareRoot())
    switch self.prediction {
    case .noise: return (x.combined(with: prediction) { x, noise in (x - s * noise) / a }, prediction)
    case .velocity:
      return (
        x.combined(with: prediction) { x, velocity in a * x - s * velocity },
        x.combined(with: prediction) { x, velocity in a * velocity + s * x }
      )
    case .clean: return (prediction, x.combined(with: prediction) { x, clean in (x - a * clean) / s })
    }
  }

  /// ᾱ of a training step; before the first, that of clean samples.
  func signal(_ timestep: Int) -> Float {
    timestep >= 0 ? variance.signals[timestep] : variance.lastSignal
  }

  /// `√ᾱ' x₀ + √(1 − ᾱ' − σ²) ε + σ · noise`, with `σ² = η² (1 − ᾱ') / (1 − ᾱ) · (1 − ᾱ / ᾱ')`
  /// (Song et al., "Denoising Diffusion Implicit Models", arXiv 2010.02502, equations 12 and 16).
  func nextOfDDIM(_ x: Tensor, _ prediction: Tensor, step: Int, noise: inout NoiseSource) -> Tensor {
    let now = Int(timesteps[step])
    let (from, to) = (signal(now), signal(now - variance.stride))
    let (clean, old) = parts(x, prediction, signal: from)
    let fresh = Float(variance.eta) * ((1 - to) / (1 - from) * (1 - from / to)).squareRoot()
    let (a, s) = (to.squareRoot(), (1 - to - fresh * fresh).squareRoot())
    let next = clean.combined(with: old) { clean, old in a * clean + s * old }
    guard variance.eta > 0 else { return next }
    return next.combined(with: noise(x.shape)) { next, noise in next + fresh * noise }
  }

  /// `x₀` mixed with `x` as the model was trained, then noised anew to the next step
  /// (Luo et al., "Latent Consistency Models", arXiv 2310.04378).
  func nextOfLCM(_ x: Tensor, _ prediction: Tensor, step: Int, noise: inout NoiseSource) -> Tensor {
    let now = Int(timesteps[step])
    let clean = parts(x, prediction, signal: signal(now)).clean
    let scaled = Float(now) * variance.timestepScaling
    let sum = scaled * scaled + 0.25
    let (skip, out) = (0.25 / sum, scaled / sum.squareRoot())
    let denoised = clean.combined(with: x) { clean, x in out * clean + skip * x }
    guard step < timesteps.count - 1 else { return denoised }
    let to = signal(Int(timesteps[step + 1]))
    let (a, s) = (to.squareRoot(), (1 - to).squareRoot())
    return denoised.combined(with: noise(x.shape)) { denoised, noise in a * denoised + s * noise }
  }

  /// To the training step `⌊(1 − η) t'⌋` without noise, then to `t'` with it
  /// (Zheng et al., "Trajectory Consistency Distillation", arXiv 2402.19159).
  func nextOfTCD(_ x: Tensor, _ prediction: Tensor, step: Int, noise: inout NoiseSource) -> Tensor {
    let isLast = step == timesteps.count - 1
    let then = isLast ? 0 : Int(timesteps[step + 1])
    let between = signal(Int((Float(1 - variance.eta) * Float(then)).rounded(.down)))
    let (clean, old) = parts(x, prediction, signal: signal(Int(timesteps[step])))
    let (a, s) = (between.squareRoot(), (1 - between).squareRoot())
    let next = clean.combined(with: old) { clean, old in a * clean + s * old }
    guard variance.eta > 0, !isLast else { return next }
    let share = signal(then) / between
    let (kept, fresh) = (share.squareRoot(), (1 - share).squareRoot())
    return next.combined(with: noise(x.shape)) { next, noise in kept * next + fresh * noise }
  }
}
