import ArgumentParser
import SDLensCore
import SDLensShapes
import SDLensStudy

/// `sdlens prompts`: captions of the embedded model's world.
struct Prompts: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Sample prompts of the embedded model's world, one on each line.",
    discussion: """
      A seed stands for one list; a shorter one is its beginning. The list that comes with the model is that of \
      seed 100. With --json every prompt comes with what its picture shows, defaults included.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of prompts.", valueName: "n"))
  var count = 10

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Seed of the choice. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @Flag(help: "Only prompts that the model was not trained on, each once.")
  var heldOut = false

  @Option(
    help: ArgumentHelp("Where the lines go. (default: standard output)", valueName: "file"),
    completion: .file())
  var output: String?

  @OptionGroup var report: ReportOptions

  func validate() throws {
    guard 1...1_000_000 ~= count else {
      throw ValidationError("count is \(count), but it must be from 1 to 1000000")
    }
    guard seed.value >= 0 else { throw ValidationError("seed is \(seed), but it must be from 0 to 2^64 - 1") }
    if report.json && output != nil {
      throw ValidationError("--output takes lines, --json prints on standard output; give one of them")
    }
  }

  func run() throws {
    var sampler = ShapesSampler(seed: seed.bits, heldOut: heldOut)
    if report.json { return try Output.print(json: sampler.captions(count).map(Prompt.init)) }
    let lines = sampler.captions(count).joined(separator: "\n")
    guard let output else { return try Output.print(lines) }
    try AtomicFile.write(to: output) { file in try file.append(Array((lines + "\n").utf8)) }
    try Output.print(output)
  }

  /// A prompt and its picture in words.
  private struct Prompt: Encodable {
    let prompt: String
    let objects: [[String: String]]
    let background: String?

    init(_ prompt: String) {
      let truth = ShapesGrammar.read(prompt).scene.truth
      self.prompt = prompt
      objects = truth.objects.map { values in
        Dictionary(uniqueKeysWithValues: values.map { ($0.factor.rawValue, $0.value) })
      }
      background = truth.background?.value
    }
  }
}
