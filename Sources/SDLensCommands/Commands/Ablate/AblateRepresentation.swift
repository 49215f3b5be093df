import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens ablate representation`.
struct AblateRepresentation: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "representation",
    abstract: "Dictionaries of updates, of the residual stream, or of attention heads.",
    discussion: """
      One dictionary of TopK for each site of a block: update, what the block adds; input, the residual stream before \
      it; residual, the stream behind it; heads, the outputs of the heads of its last cross-attention, side by side. \
      Explained variance is of each site's own vectors, so that it does not tell which site is the better one by itself.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Sites. (default: update input residual heads)", valueName: "site"))
  var sites: [Collect.Site] = []

  @Option(help: ArgumentHelp("Features and k of the dictionaries.", valueName: "n:k"))
  var size = DictionarySize(features: 2560, k: 10)

  @OptionGroup var options: AblationOptions

  func validate() throws { try size.check() }

  func run() throws {
    let layer = try options.model.folder().lastLayer(of: options.blocks)
    let variants = (sites.isEmpty ? Collect.Site.allCases : sites).map { site in
      let site = site.recorded(layer: layer)
      return Ablation.Variant(named: "\(site)", site: site, .topK, features: size.features, k: size.k)
    }
    try options.run("representation", of: variants)
  }
}
