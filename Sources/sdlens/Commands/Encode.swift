import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
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
      "The dictionary, in any format that convert reads: a folder, or with --block a name in the workspace.",
      valueName: "folder|name"), completion: .directory)
  var sae: String

  @Option(
    help: ArgumentHelp(
      "What is encoded or decoded: a safetensors file, or a store, by name or folder.",
      valueName: "file|store"), completion: .file(extensions: ["safetensors"]))
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
    let saved = try SavedAutoencoder.read(workspace.place.path(ofDictionary: sae, block))
    Progress(quiet: quiet.quiet).notes(saved.notes)
    var autoencoder = saved.autoencoder
    if let k {
      guard k <= autoencoder.features else {
        throw BadCodes(
          "k is \(k), but '\(sae)' has only \(autoencoder.features) features; choose a smaller one")
      }
      autoencoder.selection = .topK(k)
    }
    let codes: Codes
    if decode {
      codes = try CodeFile(path: input).codes(for: autoencoder)
      try Safetensors.write([.init("rows", autoencoder.decode(codes))], to: output)
    } else {
      let block = block?.description ?? saved.block
      codes = try encoded(by: autoencoder, of: block)
      try CodeFile.write(codes, slots: autoencoder.k, to: output)
    }
    guard report.json else { return try Output.print(output) }
    try Output.print(
      json: Result(
        output: output, rows: codes.rows, width: autoencoder.width, features: autoencoder.features,
        slots: codes.longest, active: codes.count))
  }

  /// The codes of the input: of a store picture by picture, else of a tensor as a whole.
  private func encoded(by autoencoder: SparseAutoencoder, of block: String?) throws -> Codes {
    let folder = workspace.place.path(ofStore: input)
    guard FileManager.default.fileExists(atPath: "\(folder)/manifest.json") else {
      return autoencoder.encode(
        try CodeFile(path: input).rows(tensor, width: autoencoder.width, block: block))
    }
    guard let block else { throw BlockUnknown(path: sae) }
    let activations = try ActivationStore(folder).activations(of: block)
    guard activations.width == autoencoder.width else {
      throw WidthMismatch(block: block, stored: activations.width, dictionary: autoencoder.width)
    }
    return Codes(
      joining: try (0..<activations.pictures).map {
        autoencoder.encode(try activations.rows(ofPicture: $0))
      })
  }

  /// What was encoded or decoded; `active` counts the values that are not 0.
  struct Result: Encodable {
    let output: String
    let rows, width, features, slots, active: Int
  }
}

extension Codes {
  /// The most entries that a row has.
  fileprivate var longest: Int { (0..<rows).reduce(0) { max($0, starts[$1 + 1] - starts[$1]) } }
}
