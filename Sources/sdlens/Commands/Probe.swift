import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens probe`: what can be read off a block linearly.
struct Probe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell labels from the vectors of a block with a linear probe.",
    discussion: """
      Learns on every second recorded picture and measures on the others. A store has updates, inputs, residual \
      streams or heads, as collect --site says; --codes takes the features of a dictionary instead. Labels are the row or \
      the column of a position, or those of a file with a line for each picture: one label, or one for each \
      position separated by commas. Classes are told by logistic regression, numbers with fractions by least squares; the 95 % interval is \
      of pictures drawn anew. --save writes the direction for intervene --direction.
      """)

  /// What is told.
  enum Target: String, CaseIterable, ExpressibleByArgument { case row, column }

  @Option(help: "The row or the column of each position.")
  var target: Target?

  @Option(help: ArgumentHelp("A file of labels.", valueName: "file"), completion: .file())
  var labels: String?

  @Option(help: "The transformer block.")
  var block = BlockName.studied[0]

  @Option(
    help:
      "What of the block, as collect recorded it: its update, the residual stream before it (input) or behind it, or the heads of its last cross-attention."
  )
  var site = Collect.Site.update

  @Option(
    help: ArgumentHelp(
      "Store of activations: a name in the workspace, or a folder. (default: the largest of the site that fits)",
      valueName: "name"), completion: .directory)
  var store: String?

  @Flag(help: "Probe the features of a dictionary instead of the channels.")
  var codes = false

  @Option(help: "How. (default: least-squares for numbers with fractions, else logistic)")
  var method: ProbeStudy.Method?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Pictures, from the first on, at most.", valueName: "n"))
  var pictures = 200

  @Option(
    name: .customLong("class"),
    help: ArgumentHelp("Of classes: whose direction is saved.", valueName: "label"))
  var ofClass: String?

  @Option(
    help: ArgumentHelp("Write the direction to this file.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var save: String?

  @OptionGroup var sae: SAEOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard (target == nil) != (labels == nil) else {
      throw ValidationError(
        target == nil
          ? "nothing is to be told; give --target row, --target column or --labels"
          : "--target and --labels both say what is to be told; give one of them")
    }
    guard ofClass == nil || save != nil else {
      throw ValidationError("--class says what --save writes; give --save too")
    }
    guard codes || sae.sae.isEmpty else {
      throw ValidationError("--sae names a dictionary for --codes; give --codes too")
    }
    guard store == nil || site == .update else {
      throw ValidationError("--site says which store is looked for, and --store names one; give one of them")
    }
    guard !codes || save == nil else {
      throw ValidationError(
        "--save writes a direction of the block's channels, but --codes probes features; leave one out")
    }
    guard 4...1 << 30 ~= pictures else {
      throw ValidationError("pictures is \(pictures), but it must be at least 4")
    }
  }

  /// What is reported.
  struct Result: Encodable {
    let block, site, method: String
    let target: String
    let codes: Bool
    let classes: Int
    let score: Estimate
    @Nullable var chance: Double?
    @Nullable var error: Estimate?
    let learned: Int
    let sources: Provenance
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    let site = try site.recorded(layer: folder.lastLayer(of: [block]))
    let store = try StoreLookup(folder, in: workspace.place) { progress.note($0) }
      .find(store, of: [block], site: "\(site)")
    if save != nil, store.manifest.site.hasPrefix("heads.") { throw NoDirectionOfHeads(store: store.folder) }
    let dictionary =
      codes
      ? try sae.dictionaries(
        of: [block], model: folder, in: workspace, site: store.manifest.site, progress)[block] : nil
    let source = try ProbeStudy.Source("\(block)", in: store, codes: dictionary?.autoencoder)
    let map = try store.activations(of: "\(block)").block
    let count = min(pictures, store.pictures)
    let labels: ProbeLabels
    if let path = self.labels {
      labels = try ProbeLabels(
        contentsOf: path, pictures: store.pictures, places: map.mapHeight * map.mapWidth
      ).first(count)
    } else {
      labels =
        target == .row
        ? .rows(pictures: count, height: map.mapHeight, width: map.mapWidth)
        : .columns(pictures: count, height: map.mapHeight, width: map.mapWidth)
    }
    progress.count(to: count, unit: "pictures")
    let study = try ProbeStudy(source, labels, method: method) { progress.advance("reading") }
    progress.clear()
    if let save {
      let direction = try study.direction(of: ofClass ?? (study.classes.count == 2 ? study.classes[1] : nil))
      try Safetensors.write([.init(UpdateMap.name, Tensor(direction, [direction.count]))], to: save)
      progress.note("'\(save)' has the direction, for intervene --block \(block) --direction")
    }
    let what = target?.rawValue ?? self.labels.map { ($0 as NSString).lastPathComponent } ?? ""
    let result = Result(
      block: "\(block)", site: store.manifest.site, method: study.method.rawValue, target: what, codes: codes,
      classes: study.classes.count, score: study.score, chance: study.chance, error: study.error,
      learned: study.learned,
      sources: try Provenance(
        folder, dictionaries: dictionary.map { [.init($0, of: block)] } ?? [], store: store))
    guard !report.json else { return try Output.print(json: result) }
    var table = Table(left: [0], [["", "", "95 %", "n"]])
    func add(_ title: String, _ estimate: Estimate?) {
      guard let estimate else { return }
      let ends = estimate.interval.map { $0.map { String(format: "%.3f", $0) }.joined(separator: "–") }
      table.add(title, String(format: "%.3f", estimate.value), ends ?? "", "\(estimate.n)")
    }
    let of = codes ? "features of the \(store.manifest.site)" : store.manifest.site
    add(study.method == .logistic ? "Told right" : "R²", study.score)
    add("Mean error", study.error)
    if let chance = study.chance { table.add("Chance", String(format: "%.3f", chance), "", "") }
    try Output.print("The \(what) from the \(of) of \(block)\n\(table.text)\n\(result.sources.text)")
  }
}

extension ProbeStudy.Method: ExpressibleByArgument {}

/// A direction that no edit could take.
struct NoDirectionOfHeads: UserError {
  let store: String
  var description: String {
    "'\(store)' has the outputs of heads, which are no channels of the block, so that --save has no direction for an edit; "
      + "leave --save out, or probe --site update"
  }
}
