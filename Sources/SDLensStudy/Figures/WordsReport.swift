import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// Where the words of a prompt act, as it is reported beside the figure.
public struct WordsReport: Encodable {
  let figure: String
  let tensors: String?
  let prompt: String
  let seed: Seed
  /// The words that the prompt has, with the places of their tokens.
  let words: [PromptTokens.Word]
  /// The end of the prompt that did not fit.
  let removed: String?
  let along: AttentionChoice.Axis?
  let maps: [WordMaps.Finding]

  /// Runs a prompt, and writes the figure and the tensors.
  ///
  /// - Parameters:
  ///   - named: words of the prompt; without any, each.
  ///   - tensors: where the maps of all tokens go; nil for nowhere.
  /// - Throws: `NoSuchWord`, as `Laboratory.wordMaps`; `FileError`, `PictureError`.
  public init(
    _ job: FigureJob, _ prompt: String, words named: [String], _ choice: AttentionChoice, tensors: String?
  ) throws {
    let (laboratory, progress) = (job.renderer.laboratory, job.progress)
    let tokens = try laboratory.encoder.tokens(of: prompt)
    let words = named.isEmpty ? tokens.names : named
    for word in words { _ = try tokens.places(of: word) }
    progress.noteUnknownWords(of: [prompt], job.model)
    if let removed = tokens.removed {
      progress.note("The prompt is longer than \(tokens.count) tokens; left out: \"\(removed)\"")
    }
    for word in named {
      let count = tokens.occurrences(of: word).count
      guard count > 1 else { continue }
      progress.note("'\(word)' is there \(count) times; its map is of all, '\(word)#1' would be of the first")
    }
    progress.stage("running")
    let (maps, trace) = try laboratory.wordMaps(of: prompt, job.settings, choice)
    var figure = try WordsFigure(maps, words: words, over: laboratory.picture(trace))
    figure.origin = try laboratory.origin(job.settings)
    figure.heatMap.colors = job.renderer.heatMap.colors
    figure.cellWidth = job.cellWidth ?? figure.cellWidth
    try figure.write(to: job.path, text: job.record.texts(shows: "where words act"))
    if let tensors { try Self.write(maps, words, prompt, job.record, to: tensors) }
    progress.clear()
    (self.figure, self.tensors, self.prompt, seed) = (job.path, tensors, prompt, job.settings.seed)
    (self.words, removed, along) = (tokens.words, tokens.removed, choice.along)
    self.maps = figure.findings
  }

  /// `tokens` [tokens, height, width] and `words` [words, height, width]; laid out, with the block, layer, head or step
  /// behind the name.
  private static func write(
    _ maps: WordMaps, _ words: [String], _ prompt: String, _ record: RunRecord, to path: String
  ) throws {
    var items: [Safetensors.Item] = []
    for (index, label) in maps.labels.enumerated() {
      let name = label.isEmpty ? "" : ".\(label.replacing(" ", with: "."))"
      let own = try words.map { try maps.map(of: $0, at: index) }
      items += [
        .init("tokens\(name)", maps.all(at: index)),
        .init("words\(name)", .stacked(own.map { $0.reshaped([1, $0.shape[0], $0.shape[1]]) })),
      ]
    }
    var metadata = record.metadata()
    metadata["prompt"] = prompt
    metadata["tokens"] = try String(decoding: JSON.line(maps.tokens.words), as: UTF8.self)
    metadata["words"] = try String(decoding: JSON.line(words), as: UTF8.self)
    try Safetensors.write(items, metadata: metadata, to: path)
  }

  /// A line for each map, and the paths.
  public var text: String {
    let isLaidOut = along != nil
    let head =
      ["Word"] + (isLaidOut ? ["Of"] : []) + ["Tokens", "Mean", "Lowest", "Highest", "Row", "Column"]
    let rows = maps.map { map in
      [map.word] + (isLaidOut ? [map.of ?? ""] : []) + ["\(map.tokens.count)"]
        + [map.mean, map.lowest, map.highest].map { Cells.number(Double($0), 4) }
        + map.place.map { "\($0)" }
    }
    let table = Table(left: isLaidOut ? [0, 1] : [0], [head] + rows)
    return "\(table.text)\n" + ([figure] + (tensors.map { [$0] } ?? [])).joined(separator: "\n")
  }
}
