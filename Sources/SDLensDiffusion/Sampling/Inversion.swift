import SDLensCore

/// How a picture is taken back to the noise that makes it: what it shows, and how strongly that is preferred on the way.
public struct Inversion: Sendable, Hashable {
  /// What the picture shows; may be empty.
  public let prompt: String
  /// Guidance on the way back; up to 1, there is none.
  public let guidance: Double

  /// Whether the negative prompt is computed beside the prompt.
  public var isGuided: Bool { guidance > 1 }

  /// Says what the picture shows.
  ///
  /// - Throws: `BadSetting` for a guidance outside of 0…1000.
  public init(of prompt: String, guidance: Double = 0) throws {
    guard 0...1000 ~= guidance else {
      throw BadSetting(
        name: "source-guidance", found: "\(guidance)", needed: "from 0 to 1000 (above 1 it acts)")
    }
    (self.prompt, self.guidance) = (prompt, guidance)
  }

  /// Refuses samplers whose steps nobody takes back.
  ///
  /// - Throws: `NotInvertible`, and the errors of `ConfigFile`.
  public static func check(_ config: ConfigFile) throws {
    let name = try config.string("_class_name")
    let eta = try config.double(SamplerChoice.etaKey, in: 0...1, default: 0)
    guard name == DDIM.className, eta == 0 else { throw NotInvertible(sampler: name, eta: eta) }
    // DDIM goes back by equal strides, which meet the next training step with these alone.
    try config.require("timestep_spacing", "leading", "trailing")
    // At no noise, a predicted clean sample tells nothing of the noise.
    try config.require("prediction_type", "epsilon", "v_prediction")
  }
}

/// A sampler whose steps can be taken back.
protocol InvertibleSampler: Sampler {
  /// The sample before a step from the one after it and the prediction for that, which is asked at the training step of the
  /// step.
  func previous(_ x: Tensor, prediction: Tensor, step: Int) -> Tensor
}

extension Pipeline {
  /// Takes the picture that a run begins with back to its noise, where that is how it begins.
  ///
  /// The latents are those that the encoder thinks likeliest. Of n steps the first ⌊n · strength⌋ are taken back; a run of
  /// these settings with the same prompt, guidance and sampler comes back to the picture, the closer the more steps.
  ///
  /// - Parameters:
  ///   - prompt: that of the inversion; with its guidance, the negative prompt first: [2, 77, context].
  ///   - progress: called after every step with its number, from 1.
  /// - Returns: the settings of the run, to be given to `sample` or `start`.
  /// - Throws: `NotInvertible`, and as `sample`.
  public func inverted(
    _ settings: RunSettings, _ prompt: PromptEmbeddings, progress: (Int) -> Void = { _ in }
  ) throws -> RunSettings {
    guard let image = settings.image, let inversion = image.inversion else { return settings }
    let sampler = try invertibleSampler(settings)
    let timeIDs = settings.sizes.timeIDs(height: settings.height, width: settings.width)
    var samples = [image.likeliest]
    for step in try (settings.firstStep..<sampler.timesteps.count).reversed() {
      let x = samples[samples.count - 1]
      let output = denoiser(
        inversion.isGuided ? .stacked([x, x]) : x, timestep: Double(sampler.timesteps[step]),
        text: prompt.embeddings, pooled: prompt.pooled, timeIDs: timeIDs, step: step)
      let prediction = inversion.isGuided ? Self.guide(output, by: Float(inversion.guidance)) : output
      samples.append(sampler.previous(x, prediction: prediction, step: step))
      progress(samples.count - 1)
    }
    var settings = settings
    settings.image?.samples = samples
    return settings
  }
}

/// A sampler whose steps cannot be taken back.
struct NotInvertible: UserError {
  let sampler: String
  let eta: Double
  var description: String {
    let isDDIM = sampler == DDIM.className
    return "a picture is inverted along the steps of ddim without fresh noise, but the sampler is \(sampler)"
      + (isDDIM ? " with eta \(eta); leave --eta out" : "; give --sampler ddim")
  }
}
