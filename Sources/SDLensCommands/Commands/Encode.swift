import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens encode`: vectors to the features that are active in them, or back.
struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write vectors as the active features of a dictionary, or the reverse.",
    discussion: """
      The input is a tensor of vectors, [N, d]; or what 'generate --tensors --cache' wrote, where \
      BLOCK.update.STEP stands for what a block adds; or a store, whose pictures follow each other. The output has \
      'indices' (I32 [N, k]) and 'values' (F32 [N, k], largest first; 0 marks an unused place); of a dictionary with \
      thresholds 'starts' (I64 [N + 1]), where in the two lists each vector begins. With --decode the input has \
      these, and the output 'rows' (F32 [N, d]).
      """)

  @Option(
    help: ArgumentHelp(
      """
      The dictionary, in any format that convert reads: a name in the workspace, a folder, or a Hugging Face id in the \
      local cache; --block says which of several.
      """, valueName: "name|folder|id"), completion: .directory)
  var sae: String

  @Option(
    help: ArgumentHelp(
      "What is encoded or decoded: a file (.safetensors, or vectors as .npy), or a store, by name or folder.",
      valueName: "file|store"), completion: .file(extensions: ["safetensors", "npy"]))
  var input: String

  @Option(help: "The block, if the dictionary does not tell.")
  var block: BlockName?

  @Option(
    help: ArgumentHelp("Where the result goes.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @Option(
    help: ArgumentHelp("Which tensor of the input. (default: the only one)", valueName: "name"))
  var tensor: String?

  @Flag(help: "Make vectors of active features.")
  var decode = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Features that may be active in a vector. (default: the dictionary's own k)", valueName: "n"))
  var k: Int?

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard output.hasSuffix(".safetensors") else {
      throw ValidationError("--output is '\(output)', but it must end in .safetensors")
    }
    if let k, k < 1 { throw ValidationError("k is \(k), but it must be at least 1") }
    if decode && tensor != nil {
      throw ValidationError("--decode reads 'indices' and 'values'; leave --tensor out")
    }
    if decode && k != nil { throw ValidationError("--decode takes all values of the input; leave --k out") }
  }

  func run() throws {
    try AtomicFile.check(output)
    let progress = Progress(quiet: quiet.quiet)
    let job = try EncodeJob(by: sae, block, k: k, in: workspace.place) { progress.note($0) }
    let result = try decode ? job.decode(input, to: output) : job.encode(input, tensor: tensor, to: output)
    try report.json ? Output.print(json: result) : Output.print(output)
  }
}
