import SDLensCore

/// A sampler whose samples keep unit variance.
protocol SignalSampler: ConfiguredSampler {
  var levels: SignalLevels { get }
}

extension SignalSampler {
  /// `√ᾱ x + √(1 − ᾱ) noise`
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor {
    levels.noised(x, noise, at: timesteps[step])
  }
}

/// What samplers share whose samples keep unit variance: `x = √ᾱ x₀ + √(1 − ᾱ) ε` at every training step.
struct SignalLevels: Sendable {
  /// ᾱ of every training step.
  private let signals: [Float]
  /// ᾱ before the first training step.
  private let lastSignal: Float
  private let prediction: Prediction

  /// - Parameter endsClean: whether nothing but the picture is left before the first training step, unless
  ///   `set_alpha_to_one` says otherwise.
  init(_ request: SamplerRequest, endsClean: Bool) throws {
    signals = request.levels.signals
    prediction = request.prediction
    lastSignal = try request.config.bool("set_alpha_to_one", default: endsClean) ? 1 : signals[0]
  }

  /// ᾱ of a training step; before the first, that of clean samples.
  subscript(timestep: Int) -> Float { timestep >= 0 ? signals[timestep] : lastSignal }

  /// A plan of these training steps, with σ = √((1 − ᾱ) / ᾱ).
  ///
  /// - Throws: `UnusableNoise` where a prediction of noise would be divided by no signal.
  func plan(_ timesteps: [Float], _ config: ConfigFile) throws -> SamplingPlan {
    let sigmas = timesteps.map { timestep in
      let signal = self[Int(timestep)]
      return ((1 - signal) / signal).squareRoot()
    }
    if prediction == .noise { try UnusableNoise.check(sigmas, at: timesteps, config) }
    return SamplingPlan(timesteps: timesteps, sigmas: sigmas + [0])
  }

  /// `√ᾱ x + √(1 − ᾱ) noise`
  func noised(_ x: Tensor, _ noise: Tensor, at timestep: Float) -> Tensor {
    let signal = self[Int(timestep)]
    let (kept, added) = (signal.squareRoot(), (1 - signal).squareRoot())
    return x.combined(with: noise) { x, noise in kept * x + added * noise }
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

  /// The noise that a prediction of noise or velocity stands for.
  func noise(_ x: Tensor, _ prediction: Tensor, signal: Float) -> Tensor {
    guard self.prediction == .velocity else { return prediction }
    let (a, s) = (signal.squareRoot(), (1 - signal).squareRoot())
    return prediction.combined(with: x) { velocity, x in a * velocity + s * x }
  }
}

/// A number of steps for which a sampler that counts training steps would have to ask the model at one that there is not.
struct BadSteps: UserError {
  let description: String

  init(_ config: ConfigFile, _ name: String, steps: Int, first: Float) {
    description =
      "'\(config.path)': with 'timestep_spacing' \(config["timestep_spacing"] ?? "leading") and 'steps_offset' "
      + "\(config["steps_offset"] ?? 0) \(name) takes no \(steps) steps, the first being \(Int(first)): choose another "
      + "number of steps"
  }
}

extension SamplerRequest {
  /// So many whole training steps, all of which there are.
  ///
  /// - Throws: `BadSteps`.
  func counted(_ name: String) throws -> [Float] {
    let all = try spaced(.leading).map { $0.rounded(.toNearestOrEven) }
    guard all.count == steps, all.allSatisfy({ 0..<Float(trained) ~= $0 }) else {
      throw BadSteps(config, name, steps: steps, first: all.first ?? 0)
    }
    return all
  }

  /// Those given, or some of `original_inference_steps` evenly spaced training steps, the last first, as distilled models
  /// were trained.
  func distilled() throws -> [Float] {
    if let given { return given }
    let original = try config.int("original_inference_steps", in: 1...trained, default: min(50, trained))
    guard steps <= original else { throw BadStepCount(steps: steps, most: original) }
    let between = trained / original
    return (0..<steps).map {
      let place = Int((Double($0) * (Double(original) / Double(steps))).rounded(.down))
      return Float((original - place) * between - 1)
    }
  }
}
