import SDLensCore

extension AblationReport {
  /// For each block a table with two lines for each variant: means, and their intervals.
  public var text: String {
    let blocks = rows.map(\.block).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    let tables = blocks.map { block in
      let lines = rows.filter { $0.block == block }.flatMap { row in
        let found = columns.map { row[$0.name] }
        let ends = zip(columns, found).map { column, estimate in
          Cells.ends(estimate?.interval, column.decimals)
        }
        let figures = zip(columns, found).map { Cells.number($1?.value, $0.decimals) }
        return [[row.variant] + figures, ["  95 %"] + ends]
      }
      return "\(block)\n" + Table(left: [0], [[""] + columns.map(\.title)] + lines).text
    }
    let omitted = Set(
      rows.flatMap { row in row.omissions.map { "\($0.key) of \(row.site) was left out: \($0.value)" } }
    ).sorted()
    let head =
      "Means over \(seeds.count) \(seeds.count == 1 ? "seed" : "seeds"), learned from \(Units.grouped(pictures)) "
      + "pictures, measured on \(Units.grouped(testPictures)) others"
    return ([head] + tables + omitted).joined(separator: "\n\n")
  }
}
