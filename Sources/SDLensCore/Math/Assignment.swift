/// The best one-to-one match of rows with columns.
public enum Assignment {
  /// For each row a column of its own, such that the sum of the elements is as large as can be; nil for rows that
  /// are left over where there are fewer columns.
  ///
  /// The Hungarian algorithm with shortest augmenting paths, in `O(rows² columns)`. Source: Jonker and Volgenant, "A
  /// shortest augmenting path algorithm for dense and sparse linear assignment problems", 1987.
  ///
  /// - Parameter scores: [rows, columns], all finite.
  public static func largest(_ scores: Matrix) -> [Int?] {
    guard scores.rows <= scores.columns else {
      var rows = [Int?](repeating: nil, count: scores.rows)
      for (column, row) in largest(scores.transposed).enumerated() { if let row { rows[row] = column } }
      return rows
    }
    precondition(scores.elements.allSatisfy(\.isFinite), "scores that are no numbers")
    let (rows, columns) = (scores.rows, scores.columns)
    // Potentials u, v with u_i + v_j ≤ cost_ij, equal where matched; the cost is the score with its sign turned.
    var (u, v) = ([Double](repeating: 0, count: rows), [Double](repeating: 0, count: columns))
    var rowOf = [Int?](repeating: nil, count: columns)
    for start in 0..<rows {
      var distances = [Double](repeating: .infinity, count: columns)
      var previous = [Int?](repeating: nil, count: columns)
      var isDone = [Bool](repeating: false, count: columns)
      var (row, column): (Int, Int?) = (start, nil)
      // From the new row along matched pairs to the nearest free column.
      while true {
        if let column { isDone[column] = true }
        let reached = column.map { distances[$0] } ?? 0
        var nearest: Int?
        for other in 0..<columns where !isDone[other] {
          let distance = reached - scores[row, other] - u[row] - v[other]
          if distance < distances[other] { (distances[other], previous[other]) = (distance, column) }
          if nearest.map({ distances[other] < distances[$0] }) ?? true { nearest = other }
        }
        column = nearest
        guard let nearest, let next = rowOf[nearest] else { break }
        row = next
      }
      guard let end = column else { break }
      let length = distances[end]
      for other in 0..<columns where isDone[other] {
        if let row = rowOf[other] { u[row] += length - distances[other] }
        v[other] -= length - distances[other]
      }
      u[start] += length
      // Each column on the path takes the row of the one before it.
      var free: Int? = end
      while let column = free {
        rowOf[column] = previous[column].map { rowOf[$0] } ?? start
        free = previous[column]
      }
    }
    var result = [Int?](repeating: nil, count: rows)
    for (column, row) in rowOf.enumerated() { if let row { result[row] = column } }
    return result
  }
}
