import SDLensCore
import SDLensDiffusion
import SDLensShapes

/// The work of `generate`: one prompt, consecutive seeds.
public struct PictureJob {
  private let laboratory: Laboratory
  private let prompt: String
  private let negativePrompt: String?
  private let settings: RunSettings
  private let count: Int
  private let edits: EditList
  private let pictures: OutputFiles
  private let record: RunRecord
  /// Blocks that are left out.
  public var ablated: [BlockName] = []
  /// Where the tensors of the runs go; nil for nowhere.
  public var tensors: OutputFiles?
  /// Blocks whose input and output are among them.
  public var cached: [BlockName] = []

  /// Plans pictures of consecutive seeds.
  ///
  /// - Parameters:
  ///   - edits: what ablating is as a list of edits, for the record.
  ///   - record: what makes them.
  public init(
    of model: ModelFolder, _ prompt: String, negative: String? = nil, _ settings: RunSettings, count: Int = 1,
    edits: EditList, record: RunRecord, to pictures: OutputFiles
  ) {
    (laboratory, self.prompt, negativePrompt) = (Laboratory(model), prompt, negative)
    (self.settings, self.count, self.edits) = (settings, count, edits)
    (self.record, self.pictures) = (record, pictures)
  }

  /// One picture that was made.
  public struct Made: Encodable {
    /// Where it is.
    public let path: String
    let tensors: String?
    let seed: Seed
    let seconds: Double
  }

  /// What a job reports.
  public struct Result: Encodable {
    let pictures: [Made]
    let run: [String: String]
    let seconds: [String: Double]
    let peakMemoryBytes: Int
    let threads: Int
  }

  /// What all pictures share.
  private struct Session {
    let embeddings: PromptEmbeddings
    let pipeline: Pipeline
    let settings: RunSettings
    let steps: Int
    let progress: any MetricProgress
    var watch = Stopwatch()
  }

  /// Makes the pictures, and hands out each when its files are written.
  ///
  /// - Throws: as `Pipeline.sample`; `FileError`, and what `made` throws.
  public func run(_ progress: any MetricProgress, made: (Made) throws -> Void) throws -> Result {
    defer { progress.clear() }
    let steps = try laboratory.model.stepCount(settings)
    for seed in seeds {
      try AtomicFile.check(pictures[seed])
      if let path = tensors?[seed] { try AtomicFile.check(path) }
    }
    var watch = Stopwatch()
    progress.stage("encoding the prompt")
    let embeddings = try watch.time("text") { try encode(progress) }
    progress.stage("reading the model")
    let pipeline = try watch.time("read") { try laboratory.pipeline }

    let isInverted = settings.image?.inversion != nil
    progress.count(to: count * (steps + 1) + (isInverted ? steps : 0), unit: "steps")
    let settings =
      !isInverted
      ? self.settings
      : try watch.time("invert") {
        try laboratory.inverted(self.settings, negative: negativePrompt) {
          progress.advance("inverting, step \($0) of \(steps)", by: 1)
        }
      }
    var session = Session(
      embeddings: embeddings, pipeline: pipeline, settings: settings, steps: steps, progress: progress,
      watch: watch)
    let results = try seeds.indices.map { index in
      let picture = try make(index, &session)
      progress.clear()
      try made(picture)
      return picture
    }
    progress.note(
      "\(count) picture\(count == 1 ? "" : "s") in \(Units.time(session.watch.total)), "
        + "at most \(Units.bytes(Memory.peak)) of memory")
    return Result(
      pictures: results, run: record.metadata(seed: settings.seed, edits: edits),
      seconds: session.watch.seconds,
      peakMemoryBytes: Memory.peak, threads: Parallel.threads)
  }

  /// Makes the picture of one of the seeds and writes its files.
  private func make(_ index: Int, _ session: inout Session) throws -> Made {
    let (progress, steps, pipeline) = (session.progress, session.steps, session.pipeline)
    let embeddings = session.embeddings
    let seed = seeds[index]
    let label = count == 1 ? "" : "picture \(index + 1) of \(count), "
    progress.stage("\(label)seed \(seed)")
    let time = Stopwatch()
    var hooks = HookSet()
    for block in ablated { hooks.ablate(block) }
    let recorder = Recorder()
    for block in cached { recorder.record([.input, .output], of: block, in: &hooks) }

    var settings = session.settings
    settings.seed = seed
    let trace = try session.watch.time("denoise") {
      try pipeline.sample(embeddings, settings, hooks: hooks) { step in
        progress.advance(label + (step < steps ? "step \(step + 1) of \(steps)" : "decoding"), by: 1)
      }
    }
    let image = try session.watch.time("decode") { try pipeline.picture(trace.latents) }
    progress.advance(label + "writing", by: 1)
    try session.watch.time("write") {
      if let path = tensors?[seed] {
        let run = RunTensors(trace, prompt: embeddings, image: image, recorder: recorder)
        try Safetensors.write(run.all, metadata: record.metadata(seed: seed, edits: edits), to: path)
      }
      try PNG.write(Picture(image), text: record.texts(seed: seed, edits: edits), to: pictures[seed])
    }
    return Made(
      path: pictures[seed], tensors: tensors?[seed], seed: seed, seconds: time.total / .seconds(1))
  }

  private var seeds: [Seed] { (0..<count).map { settings.seed + $0 } }

  /// Runs the text encoders, which are let go before the U-net comes.
  private func encode(_ progress: any MetricProgress) throws -> PromptEmbeddings {
    defer { laboratory.releaseEncoder() }
    let encoder = try laboratory.encoder
    for (name, text) in [("prompt", prompt), ("negative prompt", negativePrompt ?? "")] {
      if let cut = encoder.cut(from: text) {
        progress.note("The \(name) is longer than \(encoder.tokens) tokens; left out: \"\(cut)\"")
      }
    }
    if laboratory.model.paintsShapes {
      let texts = [("prompt", prompt), ("negative prompt", settings.isGuided ? negativePrompt ?? "" : "")]
      for (name, text) in texts {
        if let unknown = UnknownWords(text, name: name) { progress.note(unknown.note) }
      }
    }
    if negativePrompt != nil && !settings.isGuided && settings.image?.inversion?.isGuided != true {
      progress.note("The negative prompt has no effect without --guidance above 1")
    }
    // Remembered until the picture is inverted.
    _ = try laboratory.sourceEmbeddings(of: settings, negative: negativePrompt)
    return try laboratory.embeddings(of: prompt, negative: negativePrompt, settings)
  }
}
