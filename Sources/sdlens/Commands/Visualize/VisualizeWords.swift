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

  /// What is reported.
  struct Result: Encodable {
    let figure: String
    let tensors: String?
    let prompt: String
    let seed: Seed
    /// The words that the prompt has, with the places of their tokens.
    let words: [PromptTokens.Word]
    /// The end of the prompt that did not fit.
    let removed: String?
    let along: AttentionChoice.Axis?
    let maps: [WordsFigure.Finding]
  }

  func run() throws {
    let progress = Progress(quiet: shared.quiet.quiet)
    defer { progress.clear() }
    if let tensors { try AtomicFile.check(tensors) }
    let job = try FigureJob(shared, name: "words", progress) { _ in [:] }
    let laboratory = job.darkroom.laboratory
    let tokens = try laboratory.encoder.tokens(of: prompt)
    let words = word.isEmpty ? tokens.names : word
    for word in words { _ = try tokens.places(of: word) }
    note(tokens, job, progress)
    let choice = AttentionChoice(
      blocks: block.isEmpty ? nil : Set(block), layers: layer?.numbers, heads: head?.numbers,
      steps: atSteps?.numbers, along: along)
    progress.stage("running")
    let (maps, trace) = try laboratory.wordMaps(of: prompt, job.settings, choice)
    var figure = try WordsFigure(maps, words: words, over: laboratory.picture(trace))
    figure.origin = try laboratory.origin(job.settings)
    figure.heatMap.colors = shared.figure.colors
    figure.cellWidth = shared.figure.cell ?? figure.cellWidth
    try figure.write(to: job.path, text: job.record.texts(shows: "where words act"))
    if let tensors { try write(maps, words, job, to: tensors) }
    progress.clear()
    let result = Result(
      figure: job.path, tensors: tensors, prompt: prompt, seed: job.settings.seed, words: tokens.words,
      removed: tokens.removed, along: along, maps: figure.findings)
    try shared.report.json ? Output.print(json: result) : Output.print(Self.text(result))
  }

  /// Says what is not seen in the figure.
  private func note(_ tokens: PromptTokens, _ job: FigureJob, _ progress: Progress) {
    progress.noteUnknownWords(of: [prompt], job.folder)
    if let removed = tokens.removed {
      progress.note("The prompt is longer than \(tokens.count) tokens; left out: \"\(removed)\"")
    }
    for word in word {
      let count = tokens.occurrences(of: word).count
      guard count > 1 else { continue }
      progress.note("'\(word)' is there \(count) times; its map is of all, '\(word)#1' would be of the first")
    }
  }

  /// `tokens` [tokens, height, width] and `words` [words, height, width]; laid out, with the block, layer, head or step
  /// behind the name.
  private func write(_ maps: WordMaps, _ words: [String], _ job: FigureJob, to path: String) throws {
    var items: [Safetensors.Item] = []
    for (index, label) in maps.labels.enumerated() {
      let name = label.isEmpty ? "" : ".\(label.replacing(" ", with: "."))"
      let own = try words.map { try maps.map(of: $0, at: index) }
      items += [
        .init("tokens\(name)", maps.all(at: index)),
        .init("words\(name)", .stacked(own.map { $0.reshaped([1, $0.shape[0], $0.shape[1]]) })),
      ]
    }
    var metadata = job.record.metadata()
    metadata["prompt"] = prompt
    metadata["tokens"] = try String(decoding: JSON.line(maps.tokens.words), as: UTF8.self)
    metadata["words"] = try String(decoding: JSON.line(words), as: UTF8.self)
    try Safetensors.write(items, metadata: metadata, to: path)
  }

  private static func text(_ result: Result) -> String {
    func share(_ value: Float) -> String { String(format: "%.4f", Double(value)) }
    let isLaidOut = result.along != nil
    let head =
      ["Word"] + (isLaidOut ? ["Of"] : []) + ["Tokens", "Mean", "Lowest", "Highest", "Row", "Column"]
    let rows = result.maps.map { map in
      [map.word] + (isLaidOut ? [map.of ?? ""] : []) + ["\(map.tokens.count)"]
        + [map.mean, map.lowest, map.highest].map(share) + map.place.map { "\($0)" }
    }
    let table = Table(left: isLaidOut ? [0, 1] : [0], [head] + rows)
    return "\(table.text)\n" + ([result.figure] + (result.tensors.map { [$0] } ?? [])).joined(separator: "\n")
  }
}

extension AttentionChoice.Axis: ExpressibleByArgument {}
