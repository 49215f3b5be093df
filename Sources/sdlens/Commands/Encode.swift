import ArgumentParser
import SDLensCore
import SDLensSparse

/// `sdlens encode`: vectors to the features that are active in them, or back.
struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write vectors as the active features of a dictionary, or the reverse.",
    discussion: """
      The input is a tensor of vectors, [N, d]. The output has 'indices' (I32 [N, k]) and 'values' (F32 \
      [N, k], largest first; 0 marks an unused place). With --decode the input has these two, and the output \
      'rows' (F32 [N, d]).
      """)

  @Option(
    help: ArgumentHelp("The dictionary: a folder of any format that 'convert' reads.", valueName: "folder"))
  var sae: String

  @Option(help: ArgumentHelp("What is encoded or decoded.", valueName: "file.safetensors"))
  var input: String

  @Option(help: ArgumentHelp("Where the result goes.", valueName: "file.safetensors"))
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

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

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
    let saved = try SavedAutoencoder.read(sae)
    saved.sayNotes()
    var autoencoder = saved.autoencoder
    if let k {
      guard k <= autoencoder.features else {
        throw BadCodes(
          "k is \(k), but '\(sae)' has only \(autoencoder.features) features; choose a smaller one")
      }
      autoencoder.k = k
    }
    let file = try CodeFile(path: input)
    let codes: Codes
    if decode {
      codes = try file.codes(for: autoencoder)
      try Safetensors.write([.init("rows", autoencoder.decode(codes))], to: output)
    } else {
      codes = autoencoder.encode(try file.rows(tensor, width: autoencoder.width))
      let shape: Shape = [codes.rows, codes.slots]
      try Safetensors.write(
        [.init("indices", codes.indices, shape), .init("values", Tensor(codes.values, shape))], to: output)
    }
    guard report.json else { return try Output.print(output) }
    try Output.print(
      json: Result(
        output: output, rows: codes.rows, width: autoencoder.width, features: autoencoder.features,
        slots: codes.slots, active: codes.active))
  }

  /// What was encoded or decoded; `active` counts the values that are not 0.
  struct Result: Encodable {
    let output: String
    let rows, width, features, slots, active: Int
  }
}

extension Codes {
  fileprivate var active: Int {
    var count = 0
    forEachActive { _, _, _ in count += 1 }
    return count
  }
}
