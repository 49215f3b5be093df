import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion

/// Times the two passes that a picture is made of, for comparison with other programs.
struct Passes: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Times one U-net pass and one decoder pass.",
    discussion: "Prints seconds: the first run of each warms up and is not counted.")

  @OptionGroup var options: BenchOptions

  @Option(help: "Counted runs of each pass.")
  var repeats = 3

  @Option(help: "What to time.")
  var only: Part?

  enum Part: String, ExpressibleByArgument, CaseIterable { case unet, vae }

  func run() throws {
    Parallel.threads = options.threads
    let pipeline = try Pipeline(ModelFolder(options.model))
    let settings = try options.settings(for: pipeline)
    let prompt = options.prompt(for: pipeline)
    let factor = pipeline.decoder.config.factor
    var noise = NoiseSource(seeds: [settings.seed])
    let latents = noise([
      1, settings.height / factor, settings.width / factor, pipeline.unet.config.inChannels,
    ])
    let ids = [
      Float(settings.height), Float(settings.width), 0, 0, Float(settings.height), Float(settings.width),
    ]

    var times: [Part: [Double]] = [:]
    for part in Part.allCases where only == nil || only == part {
      times[part] = (0...repeats).map { _ in
        seconds {
          switch part {
          case .unet:
            pipeline.unet(
              latents, timestep: 999, text: prompt.embeddings, pooled: prompt.pooled, timeIDs: ids)
          case .vae: pipeline.decoder(latents)
          }
        }.seconds
      }
      times[part]?.removeFirst()
    }
    if options.json {
      let fields = times.map { "\"\($0.rawValue)_seconds\": \($1)" }.sorted()
      print("{\(fields.joined(separator: ", "))}")
    } else {
      for (part, seconds) in times.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        print(part.rawValue, seconds.map { String(format: "%.3f s", $0) }.joined(separator: "  "))
      }
    }
  }
}
