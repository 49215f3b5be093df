import CKernels
import SDLensCore

/// What activations leave of the vectors they stand for, and how it would change with each of them.
struct Residual {
  /// `target − Σ_j s_j f_j`, [rows, width].
  let rows: StripedMatrix
  /// The active entries with `residual · f_j`, by blocks of rows.
  let entries: [Entries]
  /// `residual · f_j` of further entries, in their order.
  let nearSlopes: [Float]
  /// Sums over the rows, by column.
  let moments: ColumnMoments

  init(_ rows: StripedMatrix, _ entries: [Entries], nearSlopes: [Float] = [], moments: ColumnMoments? = nil) {
    (self.rows, self.entries, self.nearSlopes) = (rows, entries, nearSlopes)
    self.moments = moments ?? ColumnMoments(rows)
  }

  /// What codes of few features a row leave of `target` [rows, width], with the directions of `decoder`
  /// [features, width]: a row at a time, whose directions are still in the cache when the slopes ask for them.
  ///
  /// - Parameters:
  ///   - near: entries that are no part of the codes, of which the slopes are wanted as well.
  ///   - shares: the rows that each rank computes; all get all of them.
  init(of target: Tensor, _ codes: Codes, near: Codes? = nil, decoder: Tensor, _ shares: Shares) {
    let (count, width) = (codes.rows, target.width)
    var rows = StripedMatrix(rows: count, width: width)
    var slopes = [Float](repeating: 0, count: codes.count)
    var nearSlopes = [Float](repeating: 0, count: near?.count ?? 0)
    rows.withMutableElements { result in
      Self.withElements(&slopes, &nearSlopes) { slopes, nearSlopes in
        Tensor.withElements(target, decoder) { target, decoder in
          // Disjoint: each range has its own rows.
          Parallel.forRanges(shares.own.count, grain: 16) { range in
            var residual = [Float](repeating: 0, count: width)
            for row in range.map({ shares.own.lowerBound + $0 }) {
              codes.withRow(row) { indices, values in
                kernel_weighted_sum(
                  &residual, target + row * width, -1, indices.baseAddress, values.baseAddress, values.count,
                  decoder, width, width)
                kernel_row_dots(
                  slopes + codes.starts[row], residual, indices.baseAddress, indices.count, decoder, width,
                  width)
              }
              near?.withRow(row) { indices, _ in
                kernel_row_dots(
                  nearSlopes + near!.starts[row], residual, indices.baseAddress, indices.count, decoder,
                  width,
                  width)
              }
              StripedMatrix.set(row, of: count, to: residual, width, in: result)
            }
          }
        }
        shares.gather(slopes, of: codes)
        if let near { shares.gather(nearSlopes, of: near) }
      }
    }
    shares.gather(&rows)
    self.init(rows, [Entries(codes, slopes: slopes, features: decoder.rows)], nearSlopes: nearSlopes)
  }

  private static func withElements(
    _ a: inout [Float], _ b: inout [Float],
    _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) {
    a.withUnsafeMutableBufferPointer { a in
      b.withUnsafeMutableBufferPointer { b in
        // Empty ones may have no address; nothing is written to them.
        let none = UnsafeMutablePointer<Float>(bitPattern: 4)!
        body(a.baseAddress ?? none, b.baseAddress ?? none)
      }
    }
  }

  /// What the `k` largest activations of a row among a few `features` leave of `target`; these are the places of
  /// the features in `candidates`.
  init(
    of target: StripedMatrix, _ candidates: Candidates, k: Int, among features: [Int], decoder: Tensor,
    _ shares: Shares
  ) {
    let (count, size, width) = (target.rows, StripedMatrix.columns, target.width)
    let directions = StripedMatrix(decoder, rows: features.map { candidates.features[$0] })
    var rows = StripedMatrix(rows: count, width: width)
    let blocks = Shares.blocks(shares.own.count)
    var entries = [Entries?](repeating: nil, count: blocks)
    rows.withMutableElements { result in
      entries.withUnsafeMutableBufferPointer { entries in
        target.withElements { target in
          directions.withElements { directions in
            // Disjoint: each block has its own rows.
            Parallel.forEach(blocks) { index in
              let first = shares.own.lowerBound + index * StripedMatrix.rowsAtOnce
              let rows = first..<min(count, first + StripedMatrix.rowsAtOnce)
              let block = EntryBlock(candidates.activations(rows, k: k, among: features), rows: rows)
              var slopes = [Float](repeating: 0, count: block.count)
              block.starts.withUnsafeBufferPointer { starts in
                let lists = (0..<block.groups).map { starts.baseAddress! + $0 * rows.count }
                for strip in 0..<StripedMatrix.count(width) {
                  let y = result + (strip * count + first) * size
                  y.update(from: target + (strip * count + first) * size, count: rows.count * size)
                  let x = directions + strip * features.count * size
                  // The directions of a group fit the first cache, as does the block of rows.
                  for list in lists {
                    kernel_sparse_product(y, true, -1, list, rows.count, block.indices, block.values, x)
                  }
                  for list in lists {
                    kernel_sparse_dots(&slopes, strip > 0, y, list, rows.count, block.indices, x)
                  }
                }
              }
              entries[index] = Entries(block, slopes: slopes)
            }
          }
        }
      }
    }
    shares.gather(&rows)
    self.init(rows, Entries.joined(entries.map { $0! }, by: shares.ranks))
  }
}
