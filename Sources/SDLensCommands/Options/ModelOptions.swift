import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion

/// Which model.
public struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A folder in diffusers layout, a single .safetensors file, a Hugging Face id in the local cache (ID@REVISION "
        + "for one revision), or 'shapes', the embedded one. (default: $SDLENS_MODEL, else shapes)",
      valueName: "folder|file|id"), completion: .file())
  var model: String?

  @Option(
    help: ArgumentHelp(
      "The model that gives what a single file lacks: settings, tokenizers, and parts that are not in it. "
        + "(default: settings and tokenizers that come with the program)",
      valueName: "folder|id"), completion: .directory)
  var base: String?

  @Option(
    help: ArgumentHelp(
      "An autoencoder in place of the model's own, as one for float16 or a fine-tuned one: a folder of diffusers, a "
        + "single .safetensors file, or a Hugging Face id.", valueName: "folder|file|id"),
    completion: .file())
  var vae: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "LoRAs that change the model, each with its strength (default: 1): files, folders with one, or Hugging Face ids.",
      valueName: "file|folder|id[:strength]"),
    completion: .file(extensions: ["safetensors"]))
  var lora: [String] = []

  @Option(
    help: ArgumentHelp(
      "How to come from noise to latents, instead of as the model's scheduler_config.json says.",
      valueName: "sampler"))
  var sampler: SamplerChoice.Name?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "The training steps at which the model is asked, latest first, instead of --steps.", valueName: "t"))
  var timesteps: [Int] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How much of the noise is fresh in ddim and tcd, 0 to 1. (default: 0)", valueName: "share"))
  var eta: Double?

  @Option(
    help: ArgumentHelp(
      "What computes the model: our kernels, OpenBLAS, or auto, what suits the processor.",
      valueName: "engine"))
  var engine = EngineChoice.auto

  @Option(
    help: ArgumentHelp(
      "In which numbers our kernels multiply: float32, or int16, which is faster and rounds a little.",
      valueName: "precision"))
  var precision = Precision.float32

  /// A form to be filled in.
  public init() {}

  /// Finds the model.
  ///
  /// - Parameters:
  ///   - decoder: what decodes in place of its own decoder.
  ///   - name: the model, where it is not that of `--model`.
  public func folder(_ decoder: DecoderOptions? = nil, named name: String? = nil) throws -> ModelFolder {
    try folder(decoding: decoder?.decoder, named: name)
  }

  /// The same, with the name of what decodes.
  func folder(decoding decoder: String?, named name: String? = nil) throws -> ModelFolder {
    let environment = ProcessInfo.processInfo.environment
    let chosen = environment["SDLENS_MODEL"].flatMap { $0.isEmpty ? nil : $0 }
    return try ModelFolder(
      name ?? model ?? chosen ?? ModelFolder.embedded, base: base, vae: vae, loras: lora.map { try LoRA($0) },
      sampler: sampler == nil && timesteps.isEmpty && eta == nil
        ? nil : SamplerChoice(sampler, timesteps: timesteps.isEmpty ? nil : timesteps, eta: eta),
      engine: engine.engine(precision), decoder: decoder, environment: environment)
  }
}

extension ModelOptions {
  /// The model that another file would be used with.
  var besides: ModelFolder {
    get throws {
      var options = self
      // It belongs to the file that is looked at.
      options.base = nil
      return try options.folder()
    }
  }
}

/// What makes the pictures, where they may be drafts.
public struct DecoderOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Make drafts: decode with this AutoencoderTiny of diffusers, a folder or a Hugging Face id as madebyollin/taesdxl, "
        + "instead of the model's own decoder.", valueName: "folder|id"), completion: .directory)
  var decoder: String?

  /// A form to be filled in.
  public init() {}
}

extension SamplerChoice.Name: ExpressibleByArgument {}
extension EngineChoice: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// How many threads compute.
public struct ThreadOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Threads that compute. (default: as many as there are cores, or as a quota allows)", valueName: "n"))
  var threads: Int?

  /// A form to be filled in.
  public init() {}

  /// Sets the number for the process.
  public func validate() throws {
    guard let threads else { return }
    guard 1...1024 ~= threads else {
      throw ValidationError("threads is \(threads), but it must be from 1 to 1024")
    }
    Parallel.threads = threads
  }
}

/// In which form results come, and what is said beside them.
public struct ReportOptions: ParsableArguments {
  /// Whether they come as JSON.
  @Flag(help: "Print the result as JSON.")
  public var json = false

  /// A form to be filled in.
  public init() {}
}

/// Whether anything but the result is said.
public struct QuietOptions: ParsableArguments {
  /// Whether nothing is said beside the result.
  @Flag(help: "Say nothing on standard error: no progress, no notes.")
  public var quiet = false

  /// A form to be filled in.
  public init() {}
}
