import ArgumentParser
import SDLensCore
import SDLensSparse

/// `sdlens convert`: a dictionary from one project's files to another's.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Convert a dictionary (SAE) from one format to another, without loss.",
    discussion: """
      Read are the formats of sdlens, sdxl-unbox, SAELens (standard, gated, topk, jumprelu, batchtopk, \
      matryoshka_batchtopk), sparsify and SAeUron, and dictionary_learning (ReLU, gated, TopK, BatchTopK, Matryoshka, JumpReLU); \
      which one it is, is seen from the files. Torch files are read without executing anything in them; what a \
      training leaves beside the weights (optimizer, step) is passed over, and float64 is rounded, which is said. What a format has no place for goes into a file \
      sdlens.safetensors beside it, so that the way back loses nothing.
      """)

  @Argument(
    help: ArgumentHelp("The folder of a dictionary, or a file of it.", valueName: "source"),
    completion: .file())
  var source: String

  @Argument(
    help: ArgumentHelp("The folder to write, which must not exist or be empty.", valueName: "destination"),
    completion: .directory)
  var destination: String

  @Option(help: ArgumentHelp("The format to write.", valueName: "format"))
  var to: SavedAutoencoder.Format

  @Flag(help: "With --to sdlens: round to half precision, which takes half the room.")
  var half = false

  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    if half && to != .sdlens {
      throw ValidationError(
        "only the format sdlens keeps --half precision; leave it out, or write --to sdlens")
    }
  }

  /// What was converted.
  struct Result: Encodable {
    let source, sourceFormat, destination, format: String
    let features, width: Int
    @Nullable var k: Int?
    let block, model: String?
    let hasLastActive, hasMean, hasDeviation: Bool
  }

  func run() throws {
    try AtomicFolder.check(destination)
    let read = try SavedAutoencoder.read(source)
    Progress(quiet: quiet.quiet).notes(read.notes)
    let saved = try half ? read.half() : read
    try saved.write(to: destination, as: to)
    guard report.json else { return try Output.print(destination) }
    let sae = saved.autoencoder
    try Output.print(
      json: Result(
        source: source, sourceFormat: SavedAutoencoder.formatName(at: source), destination: destination,
        format: to.rawValue, features: sae.features, width: sae.width, k: sae.k, block: saved.block,
        model: saved.model, hasLastActive: saved.lastActive != nil, hasMean: saved.mean != nil,
        hasDeviation: saved.deviation != nil))
  }
}

extension SavedAutoencoder.Format: ExpressibleByArgument {}
