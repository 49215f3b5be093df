import SDLensCore

/// A way from noise to latents, step by step.
///
/// One kind is one file in `Samplers`. A run takes any, those of other programs too: `Pipeline.start(…, sampler:)`.
public protocol Sampler: Sendable {
  /// When the model is asked, and how much noise there is then.
  var plan: SamplingPlan { get }

  /// What the model is shown before a step.
  func input(_ x: Tensor, step: Int) -> Tensor

  /// A clean sample with the noise of unit variance that it has before a step.
  func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor

  /// The sample after a step from the model's prediction for the sample `x` before it.
  ///
  /// - Parameters:
  ///   - noise: where fresh noise is drawn from, if any.
  ///   - history: what earlier steps of the same run have left for later ones.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor
}

extension Sampler {
  /// The sample itself.
  public func input(_ x: Tensor, step: Int) -> Tensor { x }
  /// The training step at which the model is asked, for every step of the run.
  public var timesteps: [Float] { plan.timesteps }
}

/// The steps of a run.
public struct SamplingPlan: Sendable {
  /// The training step at which the model is asked, for every step of the run.
  public let timesteps: [Float]
  /// σ before each step, and after the last.
  public let sigmas: [Float]
  /// What the first noise is multiplied with.
  public let initialNoiseScale: Float

  /// Plans.
  public init(timesteps: [Float], sigmas: [Float], initialNoiseScale: Float = 1) {
    (self.timesteps, self.sigmas, self.initialNoiseScale) = (timesteps, sigmas, initialNoiseScale)
  }
}

/// What the steps of a run leave for later ones.
public struct SamplerHistory: Sendable {
  /// Predictions, the latest last, or what they stand for.
  public var predictions: [Tensor] = []
  /// The sample before the first step.
  public var first: Tensor?
  /// Steps taken.
  public var steps = 0

  /// That of a run before its first step.
  public init() {}
}

/// What a model predicts.
enum Prediction: String, CaseIterable {
  /// The noise in the sample, of unit variance.
  case noise = "epsilon"
  case velocity = "v_prediction"
  /// The clean sample itself.
  case clean = "sample"
}

/// A sampler that a `scheduler_config.json` can ask for.
protocol ConfiguredSampler: Sampler {
  /// Its class in diffusers.
  static var className: String { get }
  /// What the keys of the noise levels stand for where they are absent.
  static var defaults: NoiseLevels.Defaults { get }

  /// Plans a run.
  ///
  /// - Throws: the errors of `ConfigFile` for values that are not supported, and those of `ConfigFile.sampler`.
  init(_ request: SamplerRequest) throws
}

extension ConfiguredSampler {
  static var defaults: NoiseLevels.Defaults { NoiseLevels.Defaults() }
}

/// What a sampler is planned from.
struct SamplerRequest {
  let config: ConfigFile
  /// Of the training steps.
  let levels: NoiseLevels
  let prediction: Prediction
  /// Steps that are wanted.
  let steps: Int
  /// Training steps that are wanted, latest first.
  let given: [Float]?

  /// Training steps in all.
  var trained: Int { levels.sigmas.count }

  /// The training steps of the run as the configuration spaces them, latest first.
  func spaced(_ whenAbsent: TimestepSpacing = .linspace) throws -> [Float] {
    let spacing: TimestepSpacing = try config.choice("timestep_spacing", default: whenAbsent)
    return spacing.timesteps(steps, of: trained, offset: try offset)
  }

  /// What is added to evenly counted training steps.
  var offset: Int { get throws { try config.int("steps_offset", in: 0...1000, default: 0) } }

  /// The last σ where the configuration says which.
  var lastSigma: Float {
    get throws {
      try config.require("final_sigmas_type", "zero", "sigma_min")
      return config["final_sigmas_type"] == "sigma_min" ? levels.sigmas[0] : 0
    }
  }

  /// Refuses training steps that were given.
  func refuseTimesteps(_ name: String) throws {
    if given != nil { throw NoGivenTimesteps(name: name) }
  }
}

extension ConfigFile {
  /// The samplers of diffusers 0.42 that are there; each is equal to its class.
  static let samplers: [any ConfiguredSampler.Type] = [
    EulerAncestral.self, Euler.self, DDIM.self, LCM.self, TCD.self, Multistep.self, PNDM.self,
  ]

  /// The sampler of a `scheduler_config.json`, for a run of `steps` steps.
  ///
  /// - Throws: `BadStepCount`, `UnusableNoise`, and the errors of `ConfigFile` for values that are not supported.
  public func sampler(steps: Int) throws -> any Sampler {
    let name = try string("_class_name")
    guard let kind = Self.samplers.first(where: { $0.className == name }) else {
      throw OtherSampler(
        problem: UnsupportedConfigValue(
          path: path, key: "_class_name", found: .string(name),
          supported: Self.samplers.map { .string($0.className) }))
    }
    let prediction: Prediction = try choice("prediction_type", default: .noise)
    let levels = try NoiseLevels(self, kind.defaults)
    let trained = levels.sigmas.count
    guard 1...trained ~= steps else { throw BadStepCount(steps: steps, most: trained) }
    let request = SamplerRequest(
      config: self, levels: levels, prediction: prediction, steps: steps,
      given: try SamplerChoice.timesteps(self, below: trained)?.map { Float($0) })
    do {
      return try kind.init(request)
    } catch let problem as UnsupportedConfigValue {
      throw OtherSampler(problem: problem)
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
  var description: String { "\(problem); or choose another sampler with --sampler" }
}

/// A number of steps that the noise levels of the model do not allow.
struct BadStepCount: UserError {
  let steps: Int
  let most: Int
  var description: String { "\(steps) steps cannot be taken; choose 1 to \(most)" }
}

/// Training steps that were given for a sampler that chooses its own.
struct NoGivenTimesteps: UserError {
  let name: String
  var description: String {
    "\(name) takes no --timesteps; choose --sampler euler, lcm, tcd or dpm++-2m, or give --steps"
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

  /// Refuses σ of which a step cannot be computed.
  static func check(_ sigmas: [Float], at timesteps: [Float], _ config: ConfigFile) throws {
    for (sigma, timestep) in zip(sigmas, timesteps) where !(sigma > 0 && (sigma * sigma).isFinite) {
      throw UnusableNoise(config, sigma: sigma, timestep: timestep)
    }
  }
}
