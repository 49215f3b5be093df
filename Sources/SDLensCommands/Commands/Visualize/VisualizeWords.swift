import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize words`.
struct VisualizeWords: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "words",
    abstract: "Where the words of a prompt act: maps of its cross-attention.",
    discussion: """
      Every place of a block's map shares its attention out among the tokens of the prompt. A word's map is its share: \
      summed over its tokens and, where the word is there several times, over all of them (circle#2 is the second \
      alone); averaged over heads, layers, steps and blocks, maps of several sizes brought to the largest. <start>, <end> \
      and <padding> are the tokens around the prompt. With --guidance the maps are those of the prompt, not of the \
      negative one. No dictionary is needed.
      """)

  @Option(
    parsing: .unconditional, help: ArgumentHelp("What the picture shows; may be empty.", valueName: "text"))
  var prompt: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Words of the prompt, or several in a row in quotes, as circle, circle#2 or \"red circle\". (default: each)",
      valueName: "word"))
  var word: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Transformer blocks. (default: all)", valueName: "block"))
  var block: [BlockName] = []

  @Option(help: ArgumentHelp("Layers of the blocks, from 0, as 0,2-3. (default: all)", valueName: "layers"))
  var layer: NumberSet?

  @Option(help: ArgumentHelp("Heads of the layers, from 0, as 0,2-3. (default: all)", valueName: "heads"))
  var head: NumberSet?

  @Option(help: ArgumentHelp("Denoising steps, from 0, as 0,2-3. (default: all)", valueName: "steps"))
  var atSteps: NumberSet?

  @Option(
    help: ArgumentHelp(
      "Lay the maps out along blocks, layers or heads (of one --block) or steps, instead of averaging over them.",
      valueName: "axis"))
  var along: AttentionChoice.Axis?

  @Option(
    help: ArgumentHelp("Also write the maps of all tokens.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var tensors: String?

  @OptionGroup var shared: SharedFigureOptions

  func validate() throws {
    if let tensors { _ = try OutputFiles(tensors, option: "tensors", ending: "safetensors", count: 1) }
  }

  func run() throws {
    let progress = Progress(quiet: shared.quiet.quiet)
    defer { progress.clear() }
    if let tensors { try AtomicFile.check(tensors) }
    let job = try shared.job("words", nil, prompt: prompt, progress)
    let found = try WordsReport(
      job, prompt, words: word,
      AttentionChoice(
        blocks: block.isEmpty ? nil : Set(block), layers: layer?.numbers, heads: head?.numbers,
        steps: atSteps?.numbers, along: along), tensors: tensors)
    try shared.report.json ? Output.print(json: found) : Output.print(found.text)
  }
}

extension AttentionChoice.Axis: ExpressibleByArgument {}
