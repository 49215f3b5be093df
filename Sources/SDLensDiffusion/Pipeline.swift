import SDLensCore

/// What decides a picture, besides the model and the prompt.
public struct RunSettings: Sendable, Hashable {
  /// Seeds the noise as `torch.Generator("cpu").manual_seed(seed)` does.
  public var seed: Seed
  /// Denoising steps.
  public var steps: Int
  /// How strongly the prompt is preferred over the negative prompt; up to 1, no guidance takes place.
  public var guidance: Double
  /// Of the picture, in pixels.
  public var height: Int
  /// Of the picture, in pixels.
  public var width: Int
  /// What the model is told of sizes.
  public var sizes = SizeConditioning()
  /// The picture that the run begins with, of this height and width; nil for noise alone.
  public var image: InitialImage?

  /// Whether the negative prompt is computed beside the prompt.
  public var isGuided: Bool { guidance > 1 }

  /// The step of the model's schedule that a run begins with.
  ///
  /// - Throws: `NoStepLeft`.
  public var firstStep: Int {
    get throws { try image.map { try InitialImage.firstStep(strength: $0.strength, of: steps) } ?? 0 }
  }

  /// What decides a picture besides steps, guidance and size, by the names under which files carry it.
  public var facts: [(key: String, value: String)] {
    let facts = [
      ("original_size", sizes.original?.description), ("crop", sizes.crop?.description),
      ("target_size", sizes.target?.description), ("init_image", image?.title),
      ("strength", image.map { "\($0.strength)" }), ("source_prompt", image?.inversion?.prompt),
      ("source_guidance", image?.inversion.map { "\($0.guidance)" }),
    ]
    return facts.compactMap { key, value in value.map { (key, $0) } }
  }

  /// Checks the numbers that a user may choose.
  ///
  /// - Throws: `BadSetting`.
  public init(seed: Seed = 42, steps: Int = 1, guidance: Double = 0, height: Int, width: Int) throws {
    for (name, size) in [("height", height), ("width", width)]
    where size % 8 != 0 || !(8...4096).contains(size) {
      throw BadSetting(name: name, found: "\(size)", needed: "a multiple of 8 from 8 to 4096")
    }
    guard steps >= 1 else { throw BadSetting(name: "steps", found: "\(steps)", needed: "at least 1") }
    guard 0...1000 ~= guidance else {
      throw BadSetting(name: "guidance", found: "\(guidance)", needed: "from 0 to 1000 (above 1 it acts)")
    }
    (self.seed, self.steps, self.guidance) = (seed, steps, guidance)
    (self.height, self.width) = (height, width)
  }
}

/// A number that no run can have.
public struct BadSetting: UserError {
  let name: String
  let found: String
  let needed: String

  /// Names a setting, the value found and what is needed.
  public init(name: String, found: String, needed: String) {
    (self.name, self.found, self.needed) = (name, found, needed)
  }

  /// The setting, the value found and the value needed.
  public var description: String { "\(name) is \(found), but it must be \(needed)" }
}

/// Parts of a model that do not belong together.
public struct PartMismatch: UserError {
  /// The parts and their sizes.
  public let description: String
}

/// The part of the model behind the prompt: from embeddings and noise to a picture.
public struct Pipeline: Sendable {
  /// What a run leaves, for whoever wants to compare; tensors are channels last.
  public struct Trace: Sendable {
    /// The first noise, of unit variance, [1, h, w, 4].
    public internal(set) var noise: Tensor
    /// The latents of the picture that the run began with, before noise was added.
    public internal(set) var initial: Tensor?
    /// The samples on the way back from these to the noise, where they were inverted.
    public internal(set) var inversion: [Tensor] = []
    /// What each step took away: the (guided) prediction of the model.
    public internal(set) var predictions: [Tensor] = []
    /// The sample after the last step.
    public internal(set) var latents: Tensor
  }

  /// The denoising network.
  public let denoiser: any Denoiser
  /// From latents to pictures.
  public let decoder: Decoder
  /// What makes pictures in its place, for drafts; nil unless it was asked for.
  public let draft: TinyDecoder?
  private let weights: WeightFile?
  private let schedulerConfig: ConfigFile

  /// Reads network, decoder and scheduler settings of a model.
  public init(_ folder: ModelFolder) throws {
    let config = try UNetConfig(folder.config("unet"))
    guard config.family == folder.family else {
      throw MixedFamilies(path: folder.path, index: folder.family, unet: config.family)
    }
    try self.init(folder) {
      let weights = try folder.weights("unet")
      let unet = try UNet(weights.root, config: config)
      try weights.finish(ignoring: [])
      return (unet, weights)
    }
  }

  /// Takes another network between the prompt and the decoder of a model.
  public init(_ folder: ModelFolder, denoiser: any Denoiser) throws {
    try self.init(folder) { (denoiser, nil) }
  }

  private init(_ folder: ModelFolder, _ network: () throws -> (any Denoiser, WeightFile?)) throws {
    schedulerConfig = try folder.schedulerConfig()
    _ = try schedulerConfig.sampler(steps: 1)
    let decoderConfig = try DecoderConfig(folder.config("vae"))
    let decoderWeights = try folder.weights("vae")
    decoder = try Decoder(decoderWeights.root, config: decoderConfig)
    try decoderWeights.finish(ignoring: Decoder.unusedWeights)
    draft = try folder.draft.map { try TinyDecoder($0) }
    (denoiser, weights) = try network()
    let layout = denoiser.layout
    guard layout.inChannels == decoderConfig.latentChannels, layout.outChannels == layout.inChannels
    else {
      throw PartMismatch(
        description:
          "'\(folder.path)': the U-net takes latents of \(layout.inChannels) channels and returns "
          + "\(layout.outChannels), but the VAE decodes \(decoderConfig.latentChannels); take both from one model"
      )
    }
    if let found = draft?.config, let path = folder.draft?.path,
      found.latentChannels != decoderConfig.latentChannels || found.factor != decoderConfig.factor
    {
      throw PartMismatch(
        description:
          "'\(path)' makes \(found.factor) pixels a side of latents of \(found.latentChannels) channels, but the "
          + "model's own decoder \(decoderConfig.factor) of \(decoderConfig.latentChannels); give a --decoder that was made for "
          + "this model"
      )
    }
  }

  /// Height and width of the pictures that the model was trained for.
  public var pictureSize: Int { denoiser.layout.sampleSize * decoder.config.factor }

  /// Denoises one picture's latents.
  ///
  /// - Parameters:
  ///   - prompt: with guidance, the negative prompt first: [2, 77, context].
  ///   - hooks: see the U-net's blocks at every step.
  ///   - progress: called after every step with its number, from 1.
  /// - Throws: `BadStepCount` when the model's noise levels do not allow that many steps, `NoStepLeft`, `PartMismatch` when
  ///   the embeddings are not of the U-net's widths.
  public func sample(
    _ prompt: PromptEmbeddings, _ settings: RunSettings, hooks: HookSet = HookSet(),
    progress: (Int) -> Void = { _ in }
  ) throws -> Trace {
    var run = try start(prompt, settings)
    while !run.isDone {
      var pass = run.pass()
      run.advance(by: pass.finish(hooks: hooks))
      progress(run.step)
    }
    return run.trace
  }

  /// The same run before its first step, to be taken step by step.
  ///
  /// - Parameters:
  ///   - prompt: of all pictures; with guidance, the negative prompts of all first.
  ///   - seeds: one for each picture; without them, there is one picture, with the seed of the settings.
  ///   - sampler: the way from noise to latents; without it, the model's own.
  /// - Throws: as `sample`.
  public func start(
    _ prompt: PromptEmbeddings, _ settings: RunSettings, seeds: [Seed]? = nil,
    sampler: (any Sampler)? = nil
  ) throws -> Denoising {
    // The decoder's large feature maps of an earlier picture make room for the network's weights.
    Tensor.releaseBuffers()
    let sampler = try sampler ?? schedulerConfig.sampler(steps: settings.steps)
    let (width, pooledWidth) = (denoiser.layout.contextWidth, denoiser.layout.pooledWidth)
    guard prompt.embeddings.width == width, prompt.pooled.width == pooledWidth else {
      throw PartMismatch(
        description: "the text encoders make vectors of widths \(prompt.embeddings.width) and "
          + "\(prompt.pooled.width), but the U-net needs \(width) and \(pooledWidth); take both from one model"
      )
    }
    let seeds = seeds ?? [settings.seed]
    let prompts = seeds.count * (settings.isGuided ? 2 : 1)
    precondition(prompt.embeddings.shape[0] == prompts, "\(prompt.embeddings.shape) for \(prompts)")
    return Denoising(
      denoiser, sampler, prompt, settings, seeds: seeds, firstStep: try settings.firstStep,
      factor: decoder.config.factor)
  }

  /// The sampler of a run whose steps can be taken back.
  ///
  /// - Throws: `NotInvertible`, and as `sample`.
  func invertibleSampler(_ settings: RunSettings) throws -> any InvertibleSampler {
    try Inversion.check(schedulerConfig)
    let sampler = try schedulerConfig.sampler(steps: settings.steps)
    guard let sampler = sampler as? any InvertibleSampler else {
      preconditionFailure("\(sampler) was let through")
    }
    return sampler
  }

  /// How many steps a run takes: nearly always those of its settings, fewer where it begins with a picture.
  ///
  /// - Throws: as `sample`.
  public func stepCount(_ settings: RunSettings) throws -> Int {
    try schedulerConfig.sampler(steps: settings.steps).timesteps.count - settings.firstStep
  }

  /// Height and width of the map of a block.
  public func mapSize(of block: BlockName, _ settings: RunSettings) -> (height: Int, width: Int) {
    let factor = decoder.config.factor
    return denoiser.layout[block].mapSize(latents: (settings.height / factor, settings.width / factor))
  }

  /// `unconditional + guidance · (conditional − unconditional)` (Ho and Salimans, 2022).
  static func guide(_ both: Tensor, by guidance: Float) -> Tensor {
    let half = both.shape[0] / 2
    let (unconditional, conditional) = (both.pictures(0..<half), both.pictures(half..<2 * half))
    var result = unconditional
    result.add(conditional - unconditional, scale: guidance)
    return result
  }

  /// Lets go of the memory of the network's weights, which the next pass reads again from the system's file cache.
  public func releasePages() { weights?.releasePages() }

  /// Latents [batch, h, w, 4] → pictures [batch, height, width, 3] in 0…1.
  ///
  /// - Parameter isExact: whether the model's own decoder makes them, even where there is one for drafts.
  /// - Throws: `NoPicture` where numbers are not finite.
  public func picture(_ latents: Tensor, exactly isExact: Bool = false) throws -> Tensor {
    try NoPicture.check(latents, "the latents")
    // Their memory is what the decoder's large feature maps need.
    releasePages()
    let decoded = isExact ? decoder(latents) : draft.map { $0(latents) } ?? decoder(latents)
    var picture = decoded.scaled(by: 0.5, plus: 0.5)
    try NoPicture.check(picture, "the decoded picture")
    picture.withMutableElements { x in
      for index in x.indices { x[index] = min(max(x[index], 0), 1) }
    }
    return picture
  }
}

/// A run whose numbers left the range of float32, so that there is nothing to be seen.
public struct NoPicture: UserError {
  let place: String
  let value: Float

  static func check(_ tensor: Tensor, _ place: String) throws {
    guard let value = tensor.withElements({ $0.first { !$0.isFinite } }) else { return }
    throw NoPicture(place: place, value: value)
  }

  /// What was found where, and the likely causes.
  public var description: String {
    "no picture: \(place) hold\(place.hasSuffix("s") ? "" : "s") \(value), but every number must be finite; likely "
      + "the guidance or an edit is too strong, or the weights are damaged: try a smaller --guidance, weaker edits, "
      + "or the model alone"
  }
}
