import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens info`: what a model or a store is made of.
struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model, file, store, dictionary, workspace or result is made of.",
    discussion: """
      Of a model: its parts, its transformer blocks and where one can hook in. Of a single file, as people share \
      them: whether it is a model, a LoRA, an autoencoder or a dictionary, how it is given, whether it fits --model, and what \
      is missing. A store is read as a whole \
      and compared with its checksums; damage is an error, and the commands that make it whole are shown. Of a picture or a folder of results: how it was made.
      """)

  @Argument(
    help: ArgumentHelp(
      "A store or a dictionary, by name or folder; a .safetensors file; a model's folder; a workspace; a result; a "
        + "picture. (default: the model is shown)",
      valueName: "what"), completion: .file())
  var what: String?

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func run() throws {
    guard let what else { return try show(model.folder(decoder)) }
    switch try WorkspaceSubject(what, in: workspace.place, hasBase: model.base != nil, with: model.besides) {
    case .model: try show(model.folder(decoder, named: what))
    case .store(let folder):
      let summary = try StoreSummary(folder, try? model.folder(), Progress(quiet: quiet.quiet))
      try report.json ? Output.print(json: summary) : Output.print(summary.text)
      if !summary.problems.isEmpty { throw ExitCode.failure }
    case .dictionaries(let folders):
      let summaries = try folders.map { try DictionarySummary($0, in: workspace.place) }
      try report.json
        ? Output.print(json: summaries) : Output.print(summaries.map(\.text).joined(separator: "\n\n"))
    case .workspace(let workspace):
      let contents = try WorkspaceContents(workspace)
      try report.json ? Output.print(json: contents) : Output.print(contents.text)
    case .facts(let facts):
      guard !report.json else {
        return try Output.print(json: Dictionary(facts.map { ($0.name, $0.value) }) { $1 })
      }
      try Output.print(Table(left: [0, 1], facts.map { [$0.name, $0.value] }).text)
    }
  }

  private func show(_ model: ModelFolder) throws {
    let summary = try ModelSummary(model)
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
    let chosen = [
      ("Settings", model.settings), ("VAE", model.vae), ("LoRAs", model.loras), ("Sampler", model.sampler),
    ]
    .compactMap { name, text in
      text.map { "\n\(name.padding(toLength: 11, withPad: " ", startingAt: 0))\($0)" }
    }
    return """
      \(model.name)
      \(model.path)
      fingerprint \(model.fingerprint)

      Pictures   \(model.pictureSize) × \(model.pictureSize) pixels
      Latents    \(model.latentSize) × \(model.latentSize), \(model.latentChannels) channels
      Prompts    \(model.tokens) tokens, \(model.contextWidth) numbers each
      Scheduler  \(model.scheduler)\(chosen.joined())
      Decoder    \(model.decoder.map { "\($0), for drafts" } ?? "the model's own")
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
