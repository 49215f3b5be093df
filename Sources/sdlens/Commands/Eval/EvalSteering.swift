import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens eval steering`: whether features that tell a value also make it, on `shapes`.
struct EvalSteering: ResumableCommand {
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

      Unless others are named, every factor is measured at the block that carries it: place at down.2.1, size \
      at mid.0, shape and texture at up.0.0, colour and background at up.0.1. Means are over features, each \
      counting once, and the 95 % intervals are of features drawn anew.
      """)

  @OptionGroup var measured: MeasuredOptions

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Whose values. (default: the factors that the blocks carry)", valueName: "factor"))
  var factor: [ShapesWorld.Factor] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("Features of each factor, at most.", valueName: "n"))
  var features = 10

  @Option(parsing: .unconditional, help: ArgumentHelp("How strongly.", valueName: "number"))
  var beta = 6.0

  @Option(
    help: ArgumentHelp(
      "Store of activations to choose on: a name in the workspace, or a folder. (default: the newest that fits)",
      valueName: "name"), completion: .directory)
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
    let named = measured.block.isEmpty ? Set(factor.map(\.carrier)).sorted() : measured.block
    let dictionaries = try measured.sae.dictionaries(
      named: named, model: folder, in: workspace, progress)
    let pairs = Self.pairs(measured.block.isEmpty ? [] : dictionaries.keys.sorted(), factor).filter {
      dictionaries[$0.block] != nil
    }
    let blocks = Set(pairs.map(\.block)).sorted()
    guard !blocks.isEmpty else { throw NothingCarried(blocks: dictionaries.keys.sorted()) }
    let store = try StoreLookup(folder, in: workspace.place) { progress.note($0) }.find(store, of: blocks)
    try progress.checkSize(of: store, blocks: blocks, isNamed: self.store != nil)
    let sources = try Provenance(
      folder, dictionaries: blocks.compactMap { block in dictionaries[block].map { .init($0, of: block) } },
      store: store)
    var settings = try judged.settings(prompts, folder).merging(sources.settings) { $1 }
    settings["pictures"] = "\(min(pictures, store.pictures))"
    settings["factors"] = pairs.map { "\($0.factor.rawValue) \($0.block)" }.joined(separator: ", ")
    settings["features"] = "\(features)"
    settings["beta"] = "\(beta)"
    let results = try ResultFolder("steering", settings: settings, in: workspace.folder)
    let tables = try pairs.compactMap { factor, block in
      try dictionaries[block].map {
        try measure(factor, block, $0.autoencoder, store, prompts, results, sources, progress)
      }
    }
    progress.clear()
    try results.write([SteeringTable.columns] + tables.flatMap(\.csv), to: "steering.csv")
    try results.write(
      [SteeringTable.summaryColumns] + tables.flatMap(\.summaryCSV), to: "steering-means.csv")
    try JSON.write(tables, to: results("steering.json"))
    for table in tables {
      try table.plot?.write(to: results("steering-\(table.factor.rawValue)-\(table.block).png"))
    }
    try results.writeRun(CommandLine.arguments, folder, settings)
    progress.note("'\(results.path)' has the tables (CSV, JSON) and a plot of each factor")
    guard !report.json else { return try Output.print(json: tables) }
    try Output.print(SteeringTable.text(tables, sources))
  }

  /// What is measured where: the factors named at the blocks named; else those that the blocks carry, or the blocks
  /// that carry the factors.
  static func pairs(_ blocks: [BlockName], _ factors: [ShapesWorld.Factor]) -> [(
    factor: ShapesWorld.Factor, block: BlockName
  )] {
    let chosen = factors.isEmpty ? ShapesWorld.Factor.allCases : factors
    let all = blocks.isEmpty ? Set(chosen.map(\.carrier)).sorted() : blocks
    return all.flatMap { block in
      let carried = chosen.filter { $0.carrier == block }
      let isNamed = !blocks.isEmpty && (!factors.isEmpty || carried.isEmpty)
      return (isNamed ? chosen : carried).map { (factor: $0, block: block) }
    }
  }

  private func measure(
    _ factor: ShapesWorld.Factor, _ block: BlockName, _ autoencoder: SparseAutoencoder,
    _ store: ActivationStore, _ prompts: JudgedPrompts, _ results: ResultFolder, _ sources: Provenance,
    _ progress: Progress
  ) throws -> SteeringTable {
    let what = "\(factor.rawValue) at \(block)"
    let chosen = try ResultCache<[Steering.Target]>(results("targets.jsonl"))
    let targets = try chosen.value(what) {
      progress.count(to: min(pictures, store.pictures), unit: "pictures")
      return try Steering.targets(features, of: factor, at: block, in: store, autoencoder, limit: pictures) {
        progress.advance("choosing features of \(what)")
      }
    }
    let steering = try Steering(targets, by: beta, at: block, autoencoder, of: prompts)
    let done = try ResultCache<[Steering.PictureResult]>(results("done.jsonl"))
    progress.count(to: (0..<prompts.count).count { !done.has("\(what) \($0)") }, unit: "prompts")
    let found = try (0..<prompts.count).flatMap { index in
      try done.value("\(what) \(index)") {
        defer { progress.advance("editing \(what)") }
        return try steering.measure(index)
      }
    }
    return SteeringTable(
      block: "\(block)", factor: factor, beta: beta, prompts: prompts.count,
      summary: SteeringSummary(targets, found), sources: sources.of(block))
  }
}

/// Dictionaries of blocks that carry no factor.
struct NothingCarried: UserError {
  let blocks: [BlockName]
  var description: String {
    "there are dictionaries of \(blocks.map(\.description).joined(separator: ", ")), which carry no factor of shapes; "
      + "name the blocks with --block to measure all factors there"
  }
}

extension ShapesWorld.Factor: ExpressibleByArgument {}
