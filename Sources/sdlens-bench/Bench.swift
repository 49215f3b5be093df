import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion

/// Times parts of the program, for comparison with others.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sdlens-bench",
    abstract: "Times parts of sdlens.",
    subcommands: [PassBench.self, OperationBench.self, StepBench.self, StoreBench.self, StripBench.self],
    defaultSubcommand: PassBench.self)
}

extension EngineChoice: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// Times the two passes that a picture is made of.
struct PassBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "passes",
    abstract: "Times one U-net pass and one decoder pass.",
    discussion: "Prints seconds: the first run of each warms up and is not counted.")

  @Option(help: "A folder in diffusers layout, a Hugging Face id in the local cache, or 'shapes'.")
  var model = ModelFolder.embedded

  @Option(help: "What computes it.")
  var engine = EngineChoice.auto

  @Option(help: "In which numbers our kernels multiply.")
  var precision = Precision.float32

  @Option(help: "Counted runs of each pass.")
  var repeats = 3

  @Option(help: "Pixels along each side (default: the model's own).")
  var size: Int?

  @Option(help: "Threads (default: all cores).")
  var threads = Parallel.threads

  @Option(help: "What to time.")
  var only: Part?

  @Flag(help: "Print JSON.")
  var json = false

  enum Part: String, ExpressibleByArgument, CaseIterable { case unet, vae }

  func run() throws {
    Parallel.threads = threads
    let pipeline = try Pipeline(ModelFolder(model, engine: engine.engine(precision)))
    let layout = pipeline.denoiser.layout
    let settings = try RunSettings(height: size ?? pipeline.pictureSize, width: size ?? pipeline.pictureSize)
    let factor = pipeline.decoder.config.factor
    var noise = NoiseSource(seeds: [settings.seed])
    let latents = noise([1, settings.height / factor, settings.width / factor, layout.inChannels])
    let text = noise([1, 77, 1, layout.contextWidth]).reshaped([1, 77, layout.contextWidth])
    let pooled = noise([1, 1, 1, layout.pooledWidth]).reshaped([1, layout.pooledWidth])
    let ids = [
      Float(settings.height), Float(settings.width), 0, 0, Float(settings.height), Float(settings.width),
    ]

    var times: [Part: [Double]] = [:]
    for part in Part.allCases where only == nil || only == part {
      times[part] = seconds {
        switch part {
        case .unet: pipeline.denoiser(latents, timestep: 999, text: text, pooled: pooled, timeIDs: ids)
        case .vae: pipeline.decoder(latents)
        }
      }
    }
    if json {
      let fields = times.map { "\"\($0.rawValue)_seconds\": \($1)" }.sorted()
      print("{\(fields.joined(separator: ", "))}")
    } else {
      for (part, seconds) in times.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        print(part.rawValue, seconds.map { String(format: "%.3f s", $0) }.joined(separator: "  "))
      }
    }
  }

  private func seconds(_ pass: () -> Tensor) -> [Double] {
    _ = pass()
    return (0..<repeats).map { _ in
      let start = ContinuousClock.now
      _ = pass()
      return (ContinuousClock.now - start) / .seconds(1)
    }
  }
}
