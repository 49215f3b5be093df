import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// A labelled table of panels, with the prompts that it shows.
public struct Figure: Sendable {
  /// A panel and its texts.
  public struct Cell: Sendable {
    /// Above the panel.
    public var title: String
    /// Below it.
    public var caption: String
    /// What is shown; nothing if nil.
    public var panel: Panel?

    /// A panel with texts.
    public init(_ panel: Panel? = nil, title: String = "", caption: String = "") {
      (self.panel, self.title, self.caption) = (panel, title, caption)
    }
  }

  /// Cells side by side.
  public struct Row: Sendable {
    /// Beside them.
    public var title: String
    /// The cells.
    public var cells: [Cell]

    /// A titled row.
    public init(_ title: String, _ cells: [Cell]) { (self.title, self.cells) = (title, cells) }
  }

  /// A line of the table of prompts (the paper's Tables 3 to 5).
  public struct Source: Encodable, Hashable, Sendable {
    /// The block of the feature, where the prompt is an example of one.
    public let block: String?
    /// The feature.
    public let feature: Int?
    /// Of the noise.
    public let seed: Seed
    /// The prompt.
    public let prompt: String
  }

  /// Above the figure.
  public var title: String
  /// Below the title.
  public var note: String
  /// What the pictures were made of, below the note: model, dictionaries, seed.
  public var origin = ""
  /// Above the columns.
  public var columns: [String]
  /// The rows; short ones are filled up.
  public var rows: [Row]
  /// The pixels of a cell, across and down.
  public var cellWidth: Int
  /// The prompts, in the order of the figure.
  public private(set) var sources: [Source] = []

  /// A figure without rows.
  public init(
    title: String, note: String = "", columns: [String] = [], rows: [Row] = [], cellWidth: Int = 192
  ) {
    (self.title, self.note, self.columns, self.rows) = (title, note, columns, rows)
    self.cellWidth = cellWidth
  }

  /// Takes a prompt into the table, once.
  public mutating func cite(_ scene: Scene, block: BlockName? = nil, feature: Int? = nil) {
    let source = Source(
      block: block.map(\.description), feature: feature, seed: scene.settings.seed, prompt: scene.prompt)
    if !sources.contains(source) { sources.append(source) }
  }

  /// All panels.
  public var panels: [Panel] { rows.flatMap(\.cells).compactMap(\.panel) }

  /// How many runs and decoded pictures the figure takes.
  public var work: Int { 2 * Set(panels.flatMap(\.shots)).count }

  /// The table of prompts, a line each.
  public var promptTable: String {
    let lines =
      [["Block", "Feature", "Seed", "Prompt"]]
      + sources.map {
        [$0.block ?? "–", $0.feature.map(String.init) ?? "–", "\($0.seed)", $0.prompt.oneLine]
      }
    let widths = (0..<3).map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      zip(line, widths).map { $0.padding(to: $1) }.joined(separator: "  ") + "  \(line[3])\n"
    }.joined()
  }

  /// Makes the panels and writes the figure in the format of the path's ending.
  ///
  /// - Parameter text: texts that the file keeps.
  /// - Throws: as `FigureRenderer.prepare`, `FigureRenderer.render` and `Grid.write`.
  public func write(to path: String, _ renderer: FigureRenderer, text: [PNGText] = []) throws {
    try Canvas.checkFonts()
    try renderer.prepare(panels)
    try renderer.run(panels)
    let width = max(columns.count, rows.map(\.cells.count).max() ?? 0)
    let rows = rows.map { row in
      Row(row.title, row.cells + Array(repeating: Cell(), count: width - row.cells.count))
    }
    let looks = Set(panels.map(\.look))
    var grid = Grid(
      title: title, note: notes(looks).joined(separator: "\n"), columns: columns,
      rows: rows.map { row in
        Grid.Row(
          row.title,
          cells: row.cells.map { cell in
            let hasScale = cell.panel.map { $0.look == .difference || $0.look.scaled != nil } ?? false
            return Grid.Cell(title: cell.title, caption: cell.caption, hasScale: hasScale)
          })
      },
      cellWidth: cellWidth, enlargement: .smooth)
    grid.isFramed = looks.contains { look in
      switch look {
      case .cold, .difference: true
      case .plain, .heat, .overlay, .area: false
      }
    }
    try grid.draw(to: path, text: text) { try renderer.render(rows[$0].cells.map(\.panel)) }
  }

  /// The texts below the title: the note, what colours mean, and what the pictures were made of.
  private func notes(_ looks: Set<Panel.Look>) -> [String] {
    var notes = [note]
    if looks.contains(where: { $0.scaled != nil }) {
      notes.append("Heat maps: activation at each place, on one scale for each feature.")
    }
    if looks.contains(.difference) {
      notes.append(
        "Differences: |Δred| + |Δgreen| + |Δblue| of each pixel, 0 to 765, multiplied as said below.")
    }
    return (notes + [origin]).filter { !$0.isEmpty }
  }
}

extension String {
  /// The text without breaks of lines.
  var oneLine: String { split(whereSeparator: \.isNewline).joined(separator: " ") }

  /// The text and spaces.
  fileprivate func padding(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}

extension Double {
  /// As in `−6` or `0.5`.
  var label: String {
    let text = self == rounded() && abs(self) < 1e9 ? "\(Int(self))" : "\(self)"
    return text.replacing("-", with: "−")
  }
}

extension Scene {
  /// What it shows, for a title.
  var label: String { prompt.isEmpty ? "the empty prompt" : prompt }
}
