import CKernels
import SDLensCore

extension ScreenedProduct {
  /// An active feature of a row, or one that may become it.
  typealias Entry = (feature: Int32, value: Float)

  /// All pre-activations above a floor for each feature, [features], by row in the order of the features.
  func entries(above floors: [Float], _ times: inout TrainingTimes) -> [[Entry]] {
    let (features, width, units) = (sae.features, sae.width, units)
    let bias = sae.latentBias.elements
    // Bounds of the distances from the floors: those above 0 are looked for.
    let shifted = zip(bias, floors).map(-)
    // What rounding does to them.
    let least = -1e-6 * zip(bias, floors).reduce(0) { max($0, abs($1.0) + abs($1.1)) }
    var result = [[Entry]](repeating: [], count: x.rows)
    for start in stride(from: 0, to: x.rows, by: Self.rowsAtOnce) {
      let piece = start..<min(x.rows, start + Self.rowsAtOnce)
      let bounds = times.measure(\.product) { self.bounds(piece, bias: shifted) }
      times.measure(\.selection) {
        result.withUnsafeMutableBufferPointer { result in
          let result = result.baseAddress!
          Tensor.withElements(bounds, x, sae.encoder) { bounds, x, encoder in
            // Disjoint: each row has its own list.
            Parallel.forRanges(piece.count, grain: 8) { lines in
              var found = [Int32](repeating: 0, count: features)
              var z = [Float](repeating: 0, count: features)
              for line in lines {
                let row = start + line
                let count = kernel_screened(
                  &found, bounds + line * features, 2 * slack * units.rows[row], units.features, least,
                  features)
                kernel_row_dots(&z, x + row * width, found, count, encoder, width, width)
                result[row] = (0..<count).compactMap { place in
                  let feature = Int(found[place])
                  let value = z[place] + bias[feature]
                  return value > floors[feature] ? (found[place], value) : nil
                }
              }
            }
          }
        }
      }
    }
    guard ranks.count > 1 else { return result }
    let joined = times.measure(\.selection) { Codes(rows: result).joined(by: ranks) }
    return (0..<joined.rows).map { row in joined.withRow(row) { zip($0, $1).map { ($0, $1) } } }
  }

  /// Of the pre-activations of all rows the `count` largest that are above 0, each row in the order of its features; of
  /// equal ones the first. They are those that the whole product would give, whatever the guess.
  ///
  /// - Parameter guess: what the smallest of them may be; a good one saves time.
  /// - Returns: also the smallest of them; nil where none is above 0.
  func codes(
    largestOfAll count: Int, guess: Float?, _ times: inout TrainingTimes
  ) -> (codes: Codes, smallest: Float?) {
    func estimate() -> Float { times.measure(\.selection) { sampled(count) * 0.9 } }
    var floor = guess.map { $0 * 0.9 } ?? estimate()
    var isGuess = guess != nil
    while true {
      let found = entries(above: Array(repeating: floor, count: sae.features), &times)
      let total = found.reduce(0) { $0 + $1.count }
      // All above the floor are there: with as many as are wanted, none below it can be among them.
      if total >= count || floor <= 0 {
        return times.measure(\.selection) { Self.largest(count, of: found, total) }
      }
      (floor, isGuess) = (isGuess ? min(floor / 2, estimate()) : 0, false)
    }
  }

  private static func largest(
    _ count: Int, of rows: [[Entry]], _ total: Int
  ) -> (codes: Codes, smallest: Float?) {
    guard total > count else {
      return (Codes(rows: rows), rows.lazy.flatMap { $0 }.map(\.value).min())
    }
    let smallest = rank(count, of: rows)
    var equal = count - rows.reduce(0) { $0 + $1.reduce(0) { $0 + ($1.value > smallest ? 1 : 0) } }
    let kept = rows.map { row in
      row.filter { entry in
        if entry.value == smallest { equal -= 1 }
        return entry.value > smallest || entry.value == smallest && equal >= 0
      }
    }
    return (Codes(rows: kept), smallest)
  }

  /// The `count`-th largest of numbers above 0, whose bits are in the order of the numbers: first the upper half of the
  /// bits is counted, then the lower one of those that are left.
  private static func rank(_ count: Int, of rows: [[Entry]]) -> Float {
    var (left, upper) = (count, UInt32(0))
    for shift in [UInt32(16), 0] {
      var counts = [Int](repeating: 0, count: 1 << 16)
      for row in rows {
        for entry in row where shift == 16 || entry.value.bitPattern >> 16 == upper {
          counts[Int(entry.value.bitPattern >> shift & 0xFFFF)] += 1
        }
      }
      var bin = counts.count - 1
      while counts[bin] < left {
        left -= counts[bin]
        bin -= 1
      }
      upper = upper << 16 | UInt32(bin)
    }
    return Float(bitPattern: upper)
  }

  /// About what the smallest of the `count` largest is, by some of the rows.
  private func sampled(_ count: Int) -> Float {
    let rows = min(all.rows, 64)
    let sample = Tensor.stacked((0..<rows).map { all.rows($0 * all.rows / rows..<$0 * all.rows / rows + 1) })
    let z = Linear(weight: WeightMatrix(sae.encoder), bias: sae.latentBias)(sample).elements
    let place = min(z.count - 1, count * rows / all.rows)
    return max(0, z.sorted(by: >)[place])
  }
}
