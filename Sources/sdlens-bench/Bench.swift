import ArgumentParser
import SDLensCore
import SDLensDiffusion

/// Times the parts that a picture is made of.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sdlens-bench", abstract: "Times the parts that a picture is made of.",
    subcommands: [Passes.self, Strip.self], defaultSubcommand: Passes.self)
}

/// The model and the machine that are timed.
struct BenchOptions: ParsableArguments {
  @Option(help: "A folder in diffusers layout, a Hugging Face id in the local cache, or 'shapes'.")
  var model = ModelFolder.embedded

  @Option(help: "Pixels along each side (default: the model's own).")
  var size: Int?

  @Option(help: "Threads (default: all cores).")
  var threads = Parallel.threads

  @Flag(help: "Print JSON.")
  var json = false

  /// A prompt of random numbers, which takes as long as any other.
  func prompt(for pipeline: Pipeline) -> PromptEmbeddings {
    var noise = NoiseSource(seeds: [42])
    let config = pipeline.unet.config
    let text = noise([1, 77, 1, config.contextWidth]).reshaped([1, 77, config.contextWidth])
    let pooled = noise([1, 1, 1, config.pooledWidth]).reshaped([1, config.pooledWidth])
    return PromptEmbeddings(embeddings: text, pooled: pooled)
  }

  /// One step at the chosen size.
  func settings(for pipeline: Pipeline) throws -> RunSettings {
    try RunSettings(height: size ?? pipeline.pictureSize, width: size ?? pipeline.pictureSize)
  }
}

/// The seconds that `body` takes.
func seconds<Result>(_ body: () throws -> Result) rethrows -> (result: Result, seconds: Double) {
  let start = ContinuousClock.now
  let result = try body()
  return (result, (ContinuousClock.now - start) / .seconds(1))
}
