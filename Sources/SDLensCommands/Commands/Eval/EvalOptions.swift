import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

extension FeatureChoice: ExpressibleByArgument {
  /// Reads a choice as it is written.
  public init?(argument: String) { self.init(argument) }
}

/// Which dictionaries are measured.
struct MeasuredOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Transformer blocks. (default: those of the paper's four with dictionaries)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var sae: SAEOptions
}

/// What all measurements share.
struct EvalOptions: ParsableArguments {
  @OptionGroup var measured: MeasuredOptions

  @Option(
    help: ArgumentHelp(
      "Which features: all, random:n of those that are active, or a list, as in 3,17. (default: random:100, of all "
        + "metrics together random:50)", valueName: "choice"))
  var features: FeatureChoice?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pictures of each feature, of its top 5 % (default: 10, of locality 2); prompts of reconstruction and position "
        + "(default: 100).", valueName: "n"))
  var pictures: Int?

  @Option(
    help: ArgumentHelp(
      "Store of activations: a name in the workspace, or a folder. (default: the largest that fits)",
      valueName: "name"), completion: .directory)
  var store: String?

  @OptionGroup var encoders: EncoderOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Decides which features, pictures and pairs. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    if let pictures, !(2...1 << 20 ~= pictures) {
      throw ValidationError("pictures is \(pictures), but it must be at least 2")
    }
  }
}

/// What measures pictures and texts.
struct EncoderOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "CLIP: a folder, or a Hugging Face id in the local cache. (default: the model's own, if it has one)",
      valueName: "folder|id"), completion: .directory)
  var clip: String?

  @Option(
    help: ArgumentHelp("Weights of LPIPS: a folder. (default: none)", valueName: "folder"),
    completion: .directory)
  var lpips: String?

  @Option(
    help: ArgumentHelp(
      "Sentence encoder: a folder, or a Hugging Face id. (default: the texts of CLIP)", valueName: "folder|id"
    ), completion: .directory)
  var sentences: String?

  @Option(
    help: ArgumentHelp(
      "Pictures of textures as PNG, such as those of DTD: a baseline of texture. (default: none)",
      valueName: "folder"), completion: .directory)
  var textures: String?
}
