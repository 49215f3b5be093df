import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// Where the words of a prompt act: their maps over the picture.
///
/// Of a mean over everything the maps stand side by side behind the picture; what is laid out along blocks, layers, heads
/// or steps has a row for each word.
public struct WordsFigure: Sendable {
  /// The maps.
  public let maps: WordMaps
  /// The words, as `PromptTokens.places(of:)` finds them.
  public let words: [String]
  /// The picture of the run.
  public let picture: Picture
  /// Model and seed, below the title.
  public var origin = ""
  /// How maps are drawn.
  public var heatMap = HeatMap.ofFigures
  /// The pixels of a cell.
  public var cellWidth = 192
  /// The places of each word's tokens.
  private let places: [[Int]]
  /// By word and label, [height, width].
  private let drawn: [[Tensor]]

  /// Pictures side by side where nothing is laid out.
  private static let across = 6

  /// A cell of the table.
  private struct Entry {
    var cell = Grid.Cell()
    var drawing: Grid.Drawing?
  }

  /// The figure of some words.
  ///
  /// - Throws: `NoSuchWord`.
  public init(_ maps: WordMaps, words: [String], over picture: Picture) throws {
    (self.maps, self.words, self.picture) = (maps, words, picture)
    places = try words.map(maps.tokens.places)
    drawn = places.map { places in maps.labels.indices.map { maps.map(of: places, at: $0) } }
  }

  /// What the maps tell in numbers, word by word.
  public var findings: [WordMaps.Finding] {
    words.indices.flatMap { index in
      zip(maps.labels, drawn[index]).map { label, map in
        WordMaps.Finding(words[index], tokens: places[index], of: label, map)
      }
    }
  }

  /// Draws the figure in the format of the path's ending.
  ///
  /// - Parameter text: texts that the file keeps.
  /// - Throws: as `Grid.draw`.
  public func write(to path: String, text: [PNGText] = []) throws {
    let isLaidOut = maps.choice.along != nil
    var rows: [[Entry]]
    if isLaidOut {
      rows = drawn.map { maps in
        let range = maps.map(\.finiteRange).reduce(maps[0].finiteRange) {
          min($0.lowerBound, $1.lowerBound)...max($0.upperBound, $1.upperBound)
        }
        return [Entry(drawing: Grid.Drawing(picture))]
          + maps.map { Entry(cell: Grid.Cell(hasScale: true), drawing: drawing($0, over: range)) }
      }
    } else {
      let all =
        [Entry(cell: Grid.Cell(title: "picture"), drawing: Grid.Drawing(picture))]
        + zip(words, drawn).map { word, maps in
          Entry(
            cell: Grid.Cell(title: word, hasScale: true), drawing: drawing(maps[0], over: maps[0].finiteRange)
          )
        }
      rows = stride(from: 0, to: all.count, by: Self.across).map { start in
        Array(all[start..<min(all.count, start + Self.across)])
      }
      let missing = (rows.count > 1 ? Self.across : rows[0].count) - rows[rows.count - 1].count
      rows[rows.count - 1] += Array(repeating: Entry(), count: missing)
    }
    let prompt = maps.tokens.prompt
    let grid = Grid(
      title: prompt.isEmpty ? "the empty prompt" : prompt,
      note: [note, origin].filter { !$0.isEmpty }.joined(separator: "\n"),
      columns: isLaidOut ? ["picture"] + maps.labels : [],
      rows: zip(rows, isLaidOut ? words : rows.map { _ in "" }).map { Grid.Row($1, cells: $0.map(\.cell)) },
      cellWidth: cellWidth, enlargement: .smooth)
    try grid.draw(to: path, text: text) { rows[$0].map(\.drawing) }
  }

  private func drawing(_ map: Tensor, over range: ClosedRange<Float>) -> Grid.Drawing {
    var heat = heatMap
    heat.range = range
    return Grid.Drawing(heat(map, over: picture), scale: heat.scale(over: range))
  }

  /// What is seen.
  private var note: String {
    let axes = AttentionChoice.Axis.allCases.filter { $0 != maps.choice.along }.map(\.rawValue)
    let chosen = maps.choice.description
    return "share of cross-attention that each word has at each place, mean over "
      + axes.dropLast().joined(separator: ", ") + " and " + (axes.last ?? "")
      + (chosen.isEmpty ? "" : " (\(chosen))")
      + (maps.choice.along == nil ? "; each map on its own scale" : "; each word on one scale")
  }
}

extension AttentionChoice: CustomStringConvertible {
  /// What is not simply all, as in `blocks down.2.1, heads 0 3`.
  public var description: String {
    func list(_ axis: Axis, _ numbers: Set<Int>?) -> String? {
      numbers.map { "\(axis.rawValue) " + $0.sorted().map(String.init).joined(separator: " ") }
    }
    return [
      blocks.map { "blocks " + $0.sorted().map(\.description).joined(separator: " ") },
      list(.layers, layers), list(.heads, heads), list(.steps, steps),
    ].compactMap(\.self).joined(separator: ", ")
  }
}
