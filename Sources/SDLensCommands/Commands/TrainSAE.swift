import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens train-sae`: from recorded activations to dictionaries.
struct TrainSAE: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train-sae",
    abstract: "Train sparse autoencoders on a block's activations.",
    discussion: """
      Several values of --k and --features make a dictionary for each pair, all in one pass over the data. With \
      nothing collected yet, a model that brings prompts is recorded first. Stopped at any moment, the same \
      command goes on, and the dictionaries are the same to the byte.

      Each dictionary gets a folder in the workspace, saes/<block>/<name>, with statistics and top examples \
      of its features; checkpoint, log and curves are under training/.

      A program built with MPI (swift build -c release --traits MPI) shares the work out among the processes of \
      mpirun -n 4 sdlens train-sae …; the dictionaries are the same to the byte on any number of them.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Transformer blocks, one after the other; with --input the one that the vectors are of. (default: "
        + "\(BlockName.studied[0]); with --input none)", valueName: "block"))
  var block: [BlockName] = []

  @Option(
    help: ArgumentHelp(
      "Store of activations: a name in the workspace, or a folder. (default: the largest that fits)",
      valueName: "name"), completion: .directory)
  var store: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Denoising steps of the store whose vectors count, from 0. (default: all that are recorded)",
      valueName: "n"))
  var atStep: [Int] = []

  @Option(
    help: ArgumentHelp(
      "Vectors of anything to train on, [rows, width]: a safetensors file, or a .npy file of NumPy.",
      valueName: "file"), completion: .file(extensions: ["safetensors", "npy"]))
  var input: String?

  @Option(help: ArgumentHelp("Which tensor of --input. (default: the only one)", valueName: "name"))
  var tensor: String?

  @Option(
    help: ArgumentHelp(
      "Put in front of the names of the dictionaries, as in name-k10-n5120.", valueName: "name"))
  var name: String?

  @Flag(help: "Begin anew: a training and dictionaries of the same names are replaced.")
  var restart = false

  @OptionGroup(title: "Recipe") var recipe: RecipeOptions

  @Flag(help: "Record and train at the same time, with nothing on disk but checkpoints.")
  var stream = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --stream: vectors that are shuffled together.", valueName: "n"))
  var buffer = 1 << 17

  @OptionGroup var prompts: PromptListOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompts to record at most. (default: 5000; with --stream all)", valueName: "n"))
  var limit: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Steps between two checkpoints.", valueName: "n"))
  var saveEvery = 500

  @Option(parsing: .unconditional, help: ArgumentHelp("Steps between two lines of the log.", valueName: "n"))
  var logEvery = 10

  @Option(
    name: .customLong("ranks"),
    help: ArgumentHelp(
      "With mpirun: share every step among the ranks, or spread the dictionaries over them. (default: spread, where there "
        + "are as many dictionaries as ranks)", valueName: "use"))
  var rankUse: RankUse?

  @OptionGroup var estimation: EstimateOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seed of pictures, order and first weights. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    for (name, value) in [
      ("limit", limit), ("buffer", buffer), ("save-every", saveEvery), ("log-every", logEvery),
    ] {
      if let value, !(1...1 << 30 ~= value) {
        throw ValidationError("\(name) is \(value), but it must be from 1 to \(1 << 30)")
      }
    }
    if stream && store != nil {
      throw ValidationError("--stream records what it trains on; leave out --store, or --stream")
    }
    if let bad = atStep.first(where: { $0 < 0 }) {
      throw ValidationError("at-step is \(bad), but steps are counted from 0")
    }
    for (isGiven, option) in [(stream, "--stream"), (input != nil, "--input")]
    where isGiven && !atStep.isEmpty {
      throw ValidationError("--at-step chooses steps of a store; leave it out, or \(option)")
    }
    if input == nil && tensor != nil {
      throw ValidationError("--tensor names a tensor of --input; leave it out, or give an --input")
    }
    if input != nil {
      if stream || store != nil || prompts.prompts != nil || limit != nil {
        throw ValidationError(
          "--input brings the vectors; leave out --store, --stream, --prompts and --limit, or --input")
      }
      if block.count > 1 {
        throw ValidationError("the vectors of --input are of one block at most; name one, or none")
      }
    }
    if let name, name.isEmpty || name.contains("/") || name.hasPrefix(".") {
      throw ValidationError("name is '\(name)', but it must be part of the name of a folder, without '/'")
    }
  }

  func run() throws {
    let ranks = try Ranks.ofThisRun()
    do {
      try run(ranks)
    } catch  where ranks.count > 1 {
      Ranks.stop(ranks, for: error)
    }
    Ranks.end(ranks)
  }

  private func run(_ ranks: any Communicator) throws {
    let isFirst = ranks.rank == 0
    let progress = Progress(quiet: quiet.quiet || !isFirst)
    defer { progress.clear() }
    if estimation.estimate {
      guard ranks.count == 1 else { throw NotShared(option: "--estimate", ranks: ranks.count) }
      return try report.print(estimate(progress))
    }
    var results: [TrainingJob.Result] = []
    // The first may have to record something that the others then find.
    if !isFirst { ranks.wait() }
    let groups = try sources(ranks, progress)
    if isFirst { ranks.wait() }
    for sources in groups {
      let jobs = try sources.map { source in
        try TrainingJob(
          source, settings: recipe.settings(vectors: source.rows.count, width: source.rows.width, seed: seed),
          name: name, workspace: workspace.place, saveEvery: saveEvery, logEvery: logEvery, restart: restart,
          ranks: ranks, use: rankUse)
      }
      try TrainingJob.train(jobs, progress)
      if let note = Ranks.note(ranks) { progress.note(note) }
      for job in jobs {
        let finished = try job.finish(progress)
        progress.clear()
        for result in finished {
          results.append(result)
          if !report.json { try Output.print(result.dictionary) }
        }
      }
    }
    if report.json && isFirst { try Output.print(json: results) }
  }

  /// What it will take.
  private func estimate(_ progress: Progress) throws -> WorkEstimate {
    guard let input else {
      return try data(progress).estimate(blocks, store: store, stream: stream) {
        recipe.settings(vectors: $0, width: $1, seed: seed)
      }
    }
    let file = try VectorFile(input, tensor: tensor)
    let settings = recipe.settings(
      vectors: file.pictures * file.rowsPerPicture, width: file.width, seed: seed)
    return WorkEstimate(
      try WorkEstimate.training(settings, on: file, of: file.path),
      disk: WorkEstimate.trainingDisk(settings, width: file.width, measured: nil),
      in: workspace.folder)
  }

  private var blocks: [BlockName] {
    block.isEmpty ? [BlockName.studied[0]] : BlockName.all.filter(block.contains)
  }

  private func data(_ progress: Progress) throws -> TrainingData {
    let folder = try model.folder()
    return TrainingData(
      of: folder, in: workspace.place,
      prompts: prompts.prompts == nil ? nil : { try prompts.list(of: folder, limit: $0, progress) },
      limit: limit, atSteps: atStep.isEmpty ? nil : atStep, seed: seed, progress)
  }

  /// The vectors, in the groups that are trained side by side.
  private func sources(_ ranks: any Communicator, _ progress: Progress) throws -> [[TrainingSource]] {
    if let input {
      return [[try TrainingSource(VectorFile(input, tensor: tensor), block: block.first, seed: seed)]]
    }
    let data = try data(progress)
    return try stream ? data.streamed(blocks, buffer: buffer, ranks) : data.stored(blocks, store: store)
  }
}

extension RankUse: ExpressibleByArgument {}
