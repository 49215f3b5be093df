import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens eval steering`: whether features that tell a value also make it, on `shapes`.
struct EvalSteering: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "steering",
    abstract: "Whether features that tell a factor of shapes change it.",
    discussion: """
      The features that tell the values of a factor best, chosen as eval truth does for places, are modulated \
      by -beta and beta on prompts that the model never saw, wherever a feature is active on an object with \
      its value. A small network trained on renders only, the judge, says how likely an object of that value \
      is at its place, before and after. An edit works on a picture if -beta makes the value less likely and \
      beta does not (by more than 0.01 each). Inside and rest are the mean absolute changes of the picture \
      (0 to 1) on the object and elsewhere; for backgrounds, on the background and on the objects.
      """)

  @OptionGroup var measured: MeasuredOptions

  @Option(help: "Which values.")
  var factor = ShapesWorld.Factor.colour

  @Option(parsing: .unconditional, help: ArgumentHelp("Features, at most.", valueName: "n"))
  var features = 10

  @Option(parsing: .unconditional, help: ArgumentHelp("How strongly.", valueName: "number"))
  var beta = 6.0

  @Option(
    help: ArgumentHelp(
      "Store of activations to choose on: a name in the workspace, or a folder. (default: the newest that fits)",
      valueName: "name"))
  var store: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pictures of the store to choose on, at most.", valueName: "n"))
  var pictures = 2000

  @OptionGroup var judged: JudgedOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    try checkOption("features", features, 1...1000)
    try checkOption("pictures", pictures, 4...1 << 30)
    guard beta > 0, beta <= 1e6 else {
      throw ValidationError(
        "beta is \(beta), but it must be above 0 and at most 1000000; both signs are tried")
    }
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    progress.stage("reading the model")
    let prompts = try JudgedPrompts(of: folder, limit: judged.limit, seed: judged.seed)
    let dictionaries = try measured.sae.dictionaries(
      named: measured.block, model: folder, in: workspace)
    let blocks = dictionaries.keys.sorted()
    let store = try StoreLookup(model: folder, workspace: workspace, progress: progress).find(
      store, of: blocks)
    var settings = try judged.settings(prompts, folder)
    settings["store"] = try store.manifest.fingerprint
    settings["pictures"] = "\(min(pictures, store.pictures))"
    settings["factor"] = factor.rawValue
    settings["features"] = "\(features)"
    settings["beta"] = "\(beta)"
    settings["dictionaries"] = blocks.map {
      "\($0) \(dictionaries[$0]?.autoencoder.contentFingerprint.description ?? "")"
    }.joined(separator: ", ")
    let results = try ResultFolder("steering", settings: settings, in: workspace)
    let tables = try dictionaries.sorted { $0.key < $1.key }.map { block, dictionary in
      try measure(block, dictionary, store, prompts, results, progress)
    }
    progress.clear()
    try results.write([SteeringTable.columns] + tables.flatMap(\.csv), to: "steering.csv")
    try JSON.write(tables, to: results("steering.json"))
    for table in tables { try table.plot?.write(to: results("steering-\(table.block).png")) }
    try results.writeRun(folder, settings)
    progress.note("'\(results.path)' has the table (CSV, JSON) and a plot of each block")
    guard !report.json else { return try Output.print(json: tables) }
    try Output.print(tables.map(\.text).joined(separator: "\n\n"))
  }

  private func measure(
    _ block: BlockName, _ dictionary: DictionaryFolder, _ store: ActivationStore, _ prompts: JudgedPrompts,
    _ results: ResultFolder, _ progress: Progress
  ) throws -> SteeringTable {
    let autoencoder = dictionary.autoencoder
    let chosen = try ResultCache<[Steering.Target]>(results("targets.jsonl"))
    let targets = try chosen.value("\(block)") {
      progress.count(to: min(pictures, store.pictures), unit: "pictures")
      return try Steering.targets(features, of: factor, at: block, in: store, autoencoder, limit: pictures) {
        progress.advance("choosing features of \(block)")
      }
    }
    let steering = try Steering(targets, by: beta, at: block, autoencoder, of: prompts)
    let done = try ResultCache<[Steering.PictureResult]>(results("done.jsonl"))
    progress.count(to: (0..<prompts.count).count { !done.has("\(block) \($0)") }, unit: "prompts")
    let found = try (0..<prompts.count).flatMap { index in
      try done.value("\(block) \(index)") {
        defer { progress.advance("editing \(block)") }
        return try steering.measure(index)
      }
    }
    return SteeringTable(
      block: "\(block)", dictionary: URL(fileURLWithPath: dictionary.path).lastPathComponent, factor: factor,
      beta: beta, prompts: prompts.count, summary: SteeringSummary(targets, found))
  }
}

extension ShapesWorld.Factor: ExpressibleByArgument {}
