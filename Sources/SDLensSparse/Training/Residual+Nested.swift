import CKernels
import SDLensCore

extension Residual {
  /// What nested levels of the features leave of `target` [rows, width].
  ///
  /// With `r_l` what the first `m_l` features leave, an activation of slice g (`m_{g−1} ≤ j < m_g`) is a part of all
  /// reconstructions from level g on, so that the derivative by it is that of `R_g = Σ_{l ≥ g} r_l`.
  ///
  /// - Parameters:
  ///   - codes: each row in the order of its features.
  ///   - levels: `m_1 < … < m_L`, the last all features.
  /// - Returns: `R_g` for every slice with its entries, features counted from `m_{g−1}`; the moments are those of the first
  ///   and the last alone, and so are the rows of slices without an entry. And `Σ r_l²` for every level.
  static func nested(
    of target: Tensor, _ codes: Codes, levels: [Int], decoder: Tensor, _ shares: Shares
  ) -> (slices: [Residual], squares: [Double]) {
    let (count, width, last) = (codes.rows, target.width, levels.count - 1)
    let firsts = [0] + levels.dropLast()
    let slices = codes.slices(levels)
    let size = StripedMatrix.count(width) * count * StripedMatrix.columns
    var elements = Tensor(uninitialized: [levels.count, size])
    // The slopes of the slices lie one behind the other.
    let offsets = slices.reduce(into: [0]) { $0.append($0.last! + $1.count) }
    var slopes = [Float](repeating: 0, count: offsets.last! + 1)
    var squares = [Float](repeating: 0, count: count * levels.count)
    elements.withMutableElements { elements in
      slopes.withUnsafeMutableBufferPointer { slopes in
        squares.withUnsafeMutableBufferPointer { squares in
          let (elements, slopes, squares) = (
            elements.baseAddress!, slopes.baseAddress!, squares.baseAddress!
          )
          Tensor.withElements(target, decoder) { target, decoder in
            // Disjoint: each range has its own rows.
            Parallel.forRanges(shares.own.count, grain: 16) { range in
              let buffer = UnsafeMutablePointer<Float>.allocate(capacity: levels.count * width)
              defer { buffer.deallocate() }
              for row in range.map({ shares.own.lowerBound + $0 }) {
                for (level, slice) in slices.enumerated() {
                  let residual = buffer + level * width
                  slice.withRow(row) { indices, values in
                    kernel_weighted_sum(
                      residual, level == 0 ? target + row * width : UnsafePointer(residual - width), -1,
                      indices.baseAddress, values.baseAddress, values.count, decoder + firsts[level] * width,
                      width, width)
                  }
                  squares[row * levels.count + level] = kernel_dot(residual, residual, width)
                }
                for level in levels.indices.reversed() {
                  let (residual, slice) = (buffer + level * width, slices[level])
                  if level < last { kernel_add_scaled(residual, 1, residual + width, width) }
                  slice.withRow(row) { indices, _ in
                    kernel_row_dots(
                      slopes + offsets[level] + slice.starts[row], residual, indices.baseAddress,
                      indices.count, decoder + firsts[level] * width, width, width)
                    guard level == 0 || level == last || !indices.isEmpty else { return }
                    StripedMatrix.set(row, of: count, to: residual, width, in: elements + level * size)
                  }
                }
              }
            }
          }
          shares.gather(squares, width: levels.count)
          for level in levels.indices { shares.gather(slopes + offsets[level], of: slices[level]) }
        }
      }
    }
    // As strips, all levels are one matrix.
    var all = StripedMatrix(
      rows: count, width: levels.count * StripedMatrix.count(width) * StripedMatrix.columns, elements, from: 0
    )
    elements = Tensor([0])
    shares.gather(&all)
    let residuals = levels.indices.map { level in
      let strips = all.columns(from: level * StripedMatrix.count(width), width: width)
      let entries = Entries(
        slices[level], slopes: Array(slopes[offsets[level]..<offsets[level + 1]]),
        features: levels[level] - firsts[level])
      return Residual(
        strips, [entries], moments: level == 0 || level == last ? ColumnMoments(strips) : .none)
    }
    return (
      residuals,
      levels.indices.map { level in (0..<count).reduce(0) { $0 + Double(squares[$1 * levels.count + level]) }
      }
    )
  }
}

extension Codes {
  /// The entries of the features below the first level, from there to the second, and so on, features counted from where
  /// their slice begins; each row must be in the order of its features.
  func slices(_ levels: [Int]) -> [Codes] {
    var places = Array(starts.dropLast())
    return zip([0] + levels.dropLast(), levels).map { first, end in
      var (starts, indices, values): ([Int], [Int32], [Float]) = ([0], [], [])
      for row in 0..<rows {
        while places[row] < self.starts[row + 1], self.indices[places[row]] < end {
          indices.append(self.indices[places[row]] - Int32(first))
          values.append(self.values[places[row]])
          places[row] += 1
        }
        starts.append(values.count)
      }
      return Codes(starts: starts, indices: indices, values: values)
    }
  }
}
