import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Times strips of edits: pictures that differ only in the strength of one edit.
struct StripBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "strip",
    abstract: "Times a strip of edits against as many whole passes.",
    discussion: """
      A strip is one pass without edits, and for every edit the part of the pass behind the edited block. Both are \
      timed with a random dictionary, without text encoders and decoder. The strip's time is divided by that of \
      as many whole passes with the same edits, of which a few are timed.
      """)

  @Option(help: "A folder in diffusers layout, a Hugging Face id in the local cache, or 'shapes'.")
  var model = ModelFolder.embedded

  @Option(help: "What computes it.")
  var engine = EngineChoice.auto

  @Option(help: "In which numbers our kernels multiply.")
  var precision = Precision.float32

  @Option(parsing: .upToNextOption, help: "Edited blocks (default: the four of the paper).")
  var block = ["down.2.1", "mid.0", "up.0.0", "up.0.1"]

  @Option(help: "Edits of a strip.")
  var count = 10

  @Option(help: "Whole passes that are timed.")
  var repeats = 3

  @Option(help: "Features of the dictionary.")
  var features = 5120

  @Option(help: "Pixels along each side (default: the model's own).")
  var size: Int?

  @Option(help: "Threads (default: all cores).")
  var threads = Parallel.threads

  @Flag(help: "Print JSON.")
  var json = false

  /// What was timed for one block; all times in seconds.
  struct Times: Encodable {
    let block: String
    /// One whole pass with an edit, mean.
    let whole: Double
    /// The pass without edits that the strip begins with.
    let base: Double
    /// One edit of the strip, mean.
    let edit: Double
    /// The strip.
    let strip: Double
    /// The strip relative to as many whole passes.
    let stripToWhole: Double
    /// One edit of the strip relative to a whole pass.
    let editToWhole: Double
  }

  private struct Report: Encodable {
    let count: Int
    let threads: Int
    let height: Int
    let blocks: [Times]
  }

  func validate() throws {
    guard count >= 1, repeats >= 1, features >= 10 else {
      throw ValidationError("--count and --repeats must be at least 1, --features at least 10")
    }
  }

  func run() throws {
    Parallel.threads = threads
    let blocks = try block.map(BlockName.init)
    let pipeline = try Pipeline(ModelFolder(model, engine: engine.engine(precision)))
    let settings = try RunSettings(height: size ?? pipeline.pictureSize, width: size ?? pipeline.pictureSize)
    let prompt = randomPrompt(pipeline.denoiser.layout)
    _ = try pipeline.sample(prompt, settings)  // warms up
    let times = try blocks.map { try time($0, pipeline, prompt, settings) }
    if json {
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = .convertToSnakeCase
      encoder.outputFormatting = [.sortedKeys]
      let report = Report(count: count, threads: threads, height: settings.height, blocks: times)
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print("block     whole pass  first pass  one edit  strip of \(count)  / whole passes  edit / whole")
      for row in times {
        print(
          row.block.padding(toLength: 8, withPad: " ", startingAt: 0),
          String(
            format: "%9.3f s %9.3f s %7.3f s %9.3f s %15.3f %13.3f", row.whole, row.base, row.edit, row.strip,
            row.stripToWhole, row.editToWhole))
      }
    }
  }

  private func time(
    _ block: BlockName, _ pipeline: Pipeline, _ prompt: PromptEmbeddings, _ settings: RunSettings
  ) throws -> Times {
    let dictionaries = [block: randomDictionary(width: pipeline.denoiser.layout[block].width)]
    let edits = try (0..<count).map { index in
      try Intervention(
        EditList([Edit(.modulate(feature: 0, beta: Double(index - count / 2)), at: block)]), dictionaries,
        for: pipeline, settings)
    }
    let (base, first) = try seconds { try BaseRun(pipeline, prompt, settings, watching: [block]) }
    let partial = edits.map { edit in seconds { base.run(edit) }.seconds }
    let whole = try (0..<repeats).map { index in
      var hooks = HookSet()
      edits[index % count].add(to: &hooks)
      return try seconds { try pipeline.sample(prompt, settings, hooks: hooks) }.seconds
    }
    let (strip, mean) = (partial.reduce(first, +), whole.reduce(0, +) / Double(repeats))
    let edit = partial.reduce(0, +) / Double(count)
    return Times(
      block: block.description, whole: mean, base: first, edit: edit, strip: strip,
      stripToWhole: strip / (Double(count) * mean), editToWhole: edit / mean)
  }

  /// A prompt of random numbers, which takes as long as any other.
  private func randomPrompt(_ layout: any DenoiserLayout) -> PromptEmbeddings {
    var noise = NoiseSource(seeds: [42])
    return PromptEmbeddings(
      embeddings: noise([1, 77, 1, layout.contextWidth]).reshaped([1, 77, layout.contextWidth]),
      pooled: noise([1, 1, 1, layout.pooledWidth]).reshaped([1, layout.pooledWidth]))
  }

  /// The seconds that `body` takes.
  private func seconds<Result>(_ body: () throws -> Result) rethrows -> (result: Result, seconds: Double) {
    let start = ContinuousClock.now
    let result = try body()
    return (result, (ContinuousClock.now - start) / .seconds(1))
  }

  /// A dictionary of k = 10 with random directions of about unit length.
  private func randomDictionary(width: Int) -> BlockDictionary {
    var noise = NoiseSource(seeds: [1])
    let directions = noise([1, features, 1, width]).reshaped([features, width])
      .scaled(by: 1 / Float(width).squareRoot())
    let autoencoder = SparseAutoencoder(
      k: 10, encoder: directions, decoder: directions, preBias: Tensor([width]),
      latentBias: Tensor([features]))
    return BlockDictionary(autoencoder, means: Tensor(repeating: 1, [features]))
  }
}
