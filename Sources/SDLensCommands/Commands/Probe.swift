import ArgumentParser
import SDLensDiffusion
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

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    var job = try ProbeJob(
      of: folder, block, site.recorded(layer: folder.lastLayer(of: [block])), in: workspace.place, progress)
    (job.store, job.dictionaries, job.pictures) = (store, codes ? sae.sae : nil, pictures)
    (job.labels, job.method, job.direction, job.ofClass) = (labels, method, save, ofClass)
    job.isOfRows = target == .row
    let found = try job.run()
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }
}

extension ProbeStudy.Method: ExpressibleByArgument {}
