import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens import`: from another project's activations to a store.
struct Import: ResumableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a store of activations that sdxl-unbox recorded.",
    discussion: """
      Reads a folder with one .tar for each block, whose members are sample_<n>.diff.pth and \
      sample_<n>.gen_args.json; torch files are read without executing anything in them. The store is one as \
      collect makes, for train-sae and statistics; only the pictures cannot be made again from it, because the \
      noise of a whole batch came from one seed. Stopped at any moment, the same command goes on.
      """)

  @Argument(help: ArgumentHelp("The folder with the tars.", valueName: "folder"), completion: .directory)
  var source: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: all that have a tar)", valueName: "block"))
  var block: [BlockName] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("Take the first n pictures only.", valueName: "n"))
  var limit: Int?

  @Option(help: ArgumentHelp("How vectors are stored; float8 has a scale for each.", valueName: "format"))
  var dtype = ActivationManifest.Format.float16

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pictures in a shard. (default: what makes about 128 MB)", valueName: "n"))
  var shardSize: Int?

  @Option(
    help: ArgumentHelp(
      "Name of the store in the workspace. (default: the model's and unbox)", valueName: "name"))
  var name: String?

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    try checkOption("limit", limit, 1...1 << 20)
    try checkOption("shard-size", shardSize, 1...1 << 20)
    try StoreName.check(name)
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let watch = Stopwatch()
    let folder = try model.folder()
    progress.stage("reading '\(source)'")
    let job = try UnboxImport(
      source, madeBy: folder,
      .init(blocks: block.isEmpty ? nil : block, limit: limit, dtype: dtype, picturesPerShard: shardSize))
    let manifest = job.manifest
    let store = "\(workspace.place.activations)/\(name ?? "\(folder.folderTitle)-unbox")"
    try job.open(store)
    let todo = job.todo(in: store)
    let (_, bytes) = progress.begin("import", todo, of: manifest, in: store, bytes: manifest.bytes)
    let rounding = try job.run(into: store, note: progress.note) { progress.advance("importing", by: $0) }
    progress.clear()
    if let note = rounding.note(manifest) { progress.note(note) }
    let result = CollectionJob.Result(
      store: store, pictures: manifest.pictures, shardsMade: todo.count, shardsMissing: 0, bytes: bytes,
      rounding: rounding, seconds: watch.total / .seconds(1))
    try report.json ? Output.print(json: result) : Output.print(store)
  }
}

/// The name of a store in the workspace.
enum StoreName {
  /// Checks a name that somebody gave.
  static func check(_ name: String?) throws {
    if let name, name.isEmpty || name.contains("/") || name.hasPrefix(".") {
      throw ValidationError("name is '\(name)', but it must be the name of a folder, without '/'")
    }
  }
}
