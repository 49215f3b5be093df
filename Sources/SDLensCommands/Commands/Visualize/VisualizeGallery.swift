import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensStudy

/// `sdlens visualize gallery`.
struct VisualizeGallery: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gallery",
    abstract: "A page with a card for every feature, to be looked through in a browser.",
    discussion: """
      A folder with index.html, which opens from disk and needs no network: for each feature its strongest recorded \
      pictures with heat maps, the first of them modulated, the feature alone on the empty prompt, statistics and \
      caption. Cards can be searched by number, caption and prompts. Stopped at any moment, the same command goes on; a card \
      is made again only when something of it changed.
      """)

  @Option(
    help: ArgumentHelp(
      "alive (all that were ever active), all, random:n, or numbers and ranges, as in 3,10-20.",
      valueName: "features"))
  var features = FeatureChoice.alive

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[0]

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Factors of modulation. (default: -6,6)", valueName: "beta,…")
  )
  var beta: NumberList?

  @Option(
    name: [.long, .customLong("empty-context")], parsing: .unconditional,
    help: ArgumentHelp("Strengths on the empty prompt. (default: 1)", valueName: "gamma,…"))
  var gamma: NumberList?

  @Option(parsing: .unconditional, help: ArgumentHelp("Recorded pictures of each feature.", valueName: "n"))
  var examples = 4

  @Option(parsing: .unconditional, help: ArgumentHelp("Width of the pictures.", valueName: "pixels"))
  var cell = 192

  @Option(help: ArgumentHelp("Colours of heat maps.", valueName: "map"))
  var colors = ColorMap.jet

  @Option(
    help: ArgumentHelp("The folder. (default: in the workspace's pictures)", valueName: "folder"),
    completion: .directory)
  var output: String?

  @OptionGroup var sae: SAEOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    try checkOption("examples", examples, 1...16)
    try checkOption("cell", cell, 32...2048)
    try beta?.check { .modulate(feature: 0, beta: $0) }
    try gamma?.check { .emptyContext(feature: 0, gamma: $0) }
  }

  /// What is reported.
  struct Result: Encodable {
    let page: String
    let cardsMade: Int
    let cardsKept: Int
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder(decoder)
    let settings = try options.settings(of: folder, progress)
    let found = try sae.dictionaries(of: [block], model: folder, in: workspace, progress)
    progress.stage("reading the model")
    let renderer = try FigureRenderer(Laboratory(folder, dictionaries: found))
    renderer.heatMap.colors = colors
    let made = [try folder.fingerprint().description, folder.otherEngine, try folder.otherDecoder]
    var gallery = try Gallery(
      block, renderer, settings, model: made.compactMap(\.self).joined(separator: " "))
    gallery.examples = examples
    gallery.betas = beta?.values ?? gallery.betas
    gallery.gammas = gamma?.values ?? gallery.gammas
    gallery.cellWidth = cell
    let chosen = features.features(of: found[block]!, PCG64(seed: 0))
    let identity = found[block]!.identity
    let name = "\(block)-\(identity.name.replacing("/", with: "-"))-\(identity.fingerprint.prefix(8))"
    let output = output ?? "\(workspace.place.pictures)/gallery-\(name)"
    progress.count(to: chosen.count, unit: "cards")
    let outcome = try gallery.write(chosen, to: output) { progress.advance("making cards", by: $0) }
    progress.note("Cards made: \(outcome.made), there already: \(outcome.kept)")
    let page = "\(output)/index.html"
    try report.json
      ? Output.print(json: Result(page: page, cardsMade: outcome.made, cardsKept: outcome.kept))
      : Output.print(page)
  }
}
