import CKernels
import SDLensCore

/// What codes leave of the vectors they stand for, and how it would change with each of them.
struct Residual {
  /// `target − Σ_j s_j f_j`, [rows, width].
  let rows: Strips
  /// `residual · f_j` of every active feature, in the places of the codes; else undefined.
  let slopes: [Float]
  /// Sums over the rows, by column.
  let moments: ColumnMoments

  private init(_ rows: Strips, _ slopes: [Float]) {
    (self.rows, self.slopes) = (rows, slopes)
    moments = ColumnMoments(rows)
  }

  /// What codes of few features a row leave of `target` [rows, width], with the directions of `decoder`
  /// [features, width]: a row at a time, whose directions are still in the cache when the slopes ask for them.
  init(of target: Tensor, _ codes: Codes, decoder: Tensor) {
    let (count, width) = (codes.rows, target.width)
    var rows = Strips(rows: count, width: width)
    var slopes = [Float](repeating: 0, count: count * codes.slots)
    rows.withMutableElements { result in
      slopes.withUnsafeMutableBufferPointer { slopes in
        nonisolated(unsafe) let (result, slopes) = (result, slopes.baseAddress!)
        target.withElements { target in
          decoder.withElements { decoder in
            // Disjoint: each range has its own rows.
            Parallel.forRanges(count, grain: 16) { range in
              var residual = [Float](repeating: 0, count: width)
              for row in range {
                let active = codes.active(row)
                codes.withRow(row) { indices, values in
                  kernel_weighted_sum(
                    &residual, target.baseAddress! + row * width, -1, indices, values, active,
                    decoder.baseAddress!, width, width)
                  kernel_row_dots(
                    slopes + row * codes.slots, residual, indices, active, decoder.baseAddress!, width, width)
                }
                Strips.set(row, of: count, to: residual, width, in: result)
              }
            }
          }
        }
      }
    }
    self.init(rows, slopes)
  }

  /// What codes of many of a few `features` leave of `target`.
  init(of target: Strips, _ codes: Codes, among features: Places, decoder: Tensor) {
    let (count, size, width) = (codes.rows, Strips.columns, target.width)
    let directions = Strips(decoder, rows: features.list)
    var rows = Strips(rows: count, width: width)
    var slopes = [Float](repeating: 0, count: count * codes.slots)
    let outputs = (0..<Int32(Strips.rowsAtOnce)).map { $0 }
    rows.withMutableElements { result in
      slopes.withUnsafeMutableBufferPointer { slopes in
        nonisolated(unsafe) let (result, slopes) = (result, slopes.baseAddress!)
        target.withElements { target in
          directions.withElements { directions in
            // Disjoint: each block has its own rows.
            Parallel.forEach((count + Strips.rowsAtOnce - 1) / Strips.rowsAtOnce) { block in
              let first = block * Strips.rowsAtOnce
              let block = first..<min(count, first + Strips.rowsAtOnce)
              let groups = FeatureGroups(codes, among: features, rows: block)
              var sums = [Float](repeating: 0, count: groups.values.count)
              for strip in 0..<Strips.count(width) {
                let place = (strip * count + first) * size
                let y = result + place
                y.update(from: target + place, count: block.count * size)
                // A group of directions fits the first cache, as does the block of rows.
                for group in groups.starts.indices {
                  kernel_sparse_product(
                    y, outputs, size, size, true, -1, groups.starts[group], block.count, groups.indices,
                    groups.values,
                    directions + (strip * features.list.count + group * Strips.rowsAtOnce) * size)
                }
                for group in groups.starts.indices {
                  kernel_sparse_dots(
                    &sums, strip > 0, y, groups.starts[group], block.count, groups.indices,
                    directions + (strip * features.list.count + group * Strips.rowsAtOnce) * size)
                }
              }
              for (sum, slot) in zip(sums, groups.slots) { slopes[slot] = sum }
            }
          }
        }
      }
    }
    self.init(rows, slopes)
  }
}
