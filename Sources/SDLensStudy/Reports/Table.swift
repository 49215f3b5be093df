/// Lines of columns: the first to the left, or all that are named, the others to the right.
public struct Table {
  private var rows: [[String]] = []
  private let left: Set<Int>

  /// A table; `left` are the columns of words.
  public init(left: Set<Int> = [0], _ rows: [[String]] = []) {
    self.left = left
    self.rows = rows.map(Self.visible)
  }

  /// Adds a line.
  public mutating func add(_ cells: String...) { rows.append(Self.visible(cells)) }

  /// Cells that stay within their lines.
  private static func visible(_ cells: [String]) -> [String] { cells.map { $0.visible(oneLine: true) } }

  /// The lines, without space at their ends.
  public var text: String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return left.contains(column) ? cell + space : space + cell
      }
      return cells.joined(separator: "  ").trimmingSuffix(while: \.isWhitespace)
    }.joined(separator: "\n")
  }
}

extension String {
  fileprivate func trimmingSuffix(while isSpace: (Character) -> Bool) -> Substring {
    self[..<(lastIndex { !isSpace($0) }.map(index(after:)) ?? startIndex)]
  }
}
