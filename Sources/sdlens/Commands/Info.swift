import ArgumentParser
import SDLensCore
import SDLensDiffusion

/// `sdlens info`: what a model or a store is made of.
struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model, or a store of activations, is made of.",
    discussion: """
      Of a model: its parts, its 11 transformer blocks and where one can hook in. A store is read as a whole \
      and compared with its checksums; damage is an error.
      """)

  @Argument(
    help: ArgumentHelp("A store of activations. (default: the model is shown)", valueName: "store"),
    completion: .directory)
  var store: String?

  @OptionGroup var model: ModelOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func run() throws {
    if let store {
      let summary = try StoreSummary(store, Progress(quiet: quiet.quiet))
      try report.json ? Output.print(json: summary) : Output.print(summary.text)
      if !summary.problems.isEmpty { throw ExitCode.failure }
      return
    }
    let summary = try ModelSummary(model.folder())
    try report.json ? Output.print(json: summary) : Output.print(Self.text(summary))
  }

  /// The summary, within 80 columns.
  static func text(_ model: ModelSummary) -> String {
    var parts = Table(left: [0, 3], [["Part", "Parameters", "Stored", "as"]])
    for part in model.parts {
      parts.add(
        part.name, Units.grouped(part.parameters), Units.bytes(part.bytes),
        part.precision.joined(separator: ", "))
    }
    let (parameters, bytes) = (model.parts.map(\.parameters), model.parts.map(\.bytes))
    parts.add("all", Units.grouped(parameters.reduce(0, +)), Units.bytes(bytes.reduce(0, +)))

    var blocks = Table(left: [0, 1], [["Block", "Path", "Width", "Map", "Layers", "Heads"]])
    for block in model.blocks {
      blocks.add(
        block.name, block.path, "\(block.width)", "\(block.mapSize) × \(block.mapSize)", "\(block.layers)",
        "\(block.heads)")
    }
    return """
      \(model.name)
      \(model.path)
      fingerprint \(model.fingerprint)

      Pictures   \(model.pictureSize) × \(model.pictureSize) pixels
      Latents    \(model.latentSize) × \(model.latentSize), \(model.latentChannels) channels
      Prompts    \(model.tokens) tokens, \(model.contextWidth) numbers each
      Scheduler  \(model.scheduler)
      Memory     about \(Units.bytes(model.memory)) for one picture

      \(parts.text)

      \(blocks.text)

      Hook points of every block, at any step (tensors are channels last)
      \(hookPoints)
      """
  }

  private static let hookPoints = Table(
    left: [0, 1],
    [
      ["  input", "residual stream before the block: see, edit"],
      ["  update", "what the block adds to it: see, edit, replace"],
      ["  output", "residual stream after the block: see, edit"],
      ["  probabilities", "of self- and cross-attention in each layer: see"],
      ["  headOutputs", "of self- and cross-attention in each layer: see"],
    ]
  ).text
}
