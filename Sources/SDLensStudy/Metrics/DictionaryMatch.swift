import SDLensCore

/// How far two dictionaries of one block found the same directions.
///
/// For a feature the matched cosine is the largest between its direction and one of the other dictionary (MMCS:
/// Sharkey et al., "Taking features out of superposition with sparse autoencoders", 2022).
public struct DictionaryMatch: Sendable {
  /// For every feature the nearest of the other dictionary; of equally near ones the first.
  public let nearest: [Int]
  /// For every feature the cosine with it.
  public let cosines: [Double]
  /// For every feature whether it is nearest to the one that is nearest to it.
  public let isMutual: [Bool]

  /// Matches the rows of `directions` [features, width] with those of `others`.
  public init(_ directions: Tensor, with others: Tensor) {
    precondition(directions.width == others.width, "\(directions.shape) against \(others.shape)")
    let (units, otherUnits) = (UnitVectors(directions), UnitVectors(others))
    let table = units.cosines(with: otherUnits)
    let (rows, columns) = (table.rows, table.columns)
    var (nearest, cosines) = ([Int](repeating: 0, count: rows), [Double](repeating: -2, count: rows))
    var (back, highest) = ([Int](repeating: 0, count: columns), [Double](repeating: -2, count: columns))
    table.elements.withUnsafeBufferPointer { table in
      for row in 0..<rows {
        for column in 0..<columns {
          let cosine = table[row * columns + column]
          if cosine > cosines[row] { (nearest[row], cosines[row]) = (column, cosine) }
          if cosine > highest[column] { (back[column], highest[column]) = (row, cosine) }
        }
      }
    }
    (self.nearest, self.cosines) = (nearest, cosines)
    isMutual = nearest.enumerated().map { back[$1] == $0 }
  }

  /// The share of features that are nearest to the one that is nearest to them.
  public var mutual: Double { Double(isMutual.count { $0 }) / Double(max(1, isMutual.count)) }

  /// The mean matched cosine.
  public var mean: Double { Bootstrap.mean(cosines) }

  /// The share of features whose matched cosine is at least that.
  public func share(above cosine: Double) -> Double {
    Double(cosines.count { $0 >= cosine }) / Double(max(1, cosines.count))
  }
}
