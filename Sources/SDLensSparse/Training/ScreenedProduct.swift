import CKernels
import SDLensCore

/// Finds the largest pre-activations without computing all of them in floats.
///
/// A product of 16-bit integers, at 0.6 of the cost of one of floats, leaves few features that may be among the
/// largest of a row; only these are computed. The bounds hold for any numbers (`screen.c`), so that no feature is
/// lost: they are within 0.0013 `‖x‖ ‖w‖` of the product at a width of 1280.
struct ScreenedProduct {
  /// Rows whose bounds are still in the cache when the largest are looked for.
  static let rowsAtOnce = 2 * blockRows
  private static let blockRows = 44 * Int(KERNEL_SCREEN_ROWS)
  private static let blockFeatures = 16 * Int(KERNEL_SCREEN)

  let sae: SparseAutoencoder
  let x: Tensor
  /// The batch: `x` is what this rank has of it.
  let all: Tensor
  let ranks: any Communicator
  let slack: Float
  private let rows: RoundedRows
  private let weights: RoundedRows

  /// For the vectors `x = h − b_pre` [rows, width], of which this rank has some; what is found is that of all.
  init(_ all: Tensor, _ sae: SparseAutoencoder, _ shares: Shares) {
    x = all.rows(shares.own)
    (self.all, self.sae, ranks) = (all, sae, shares.ranks)
    rows = RoundedRows(x, sideBySide: Int(KERNEL_SCREEN_ROWS))
    weights = RoundedRows(sae.encoder, sideBySide: Int(KERNEL_SCREEN))
    slack = kernel_screen_slack(x.width)
  }

  /// The units in which rows and features are rounded.
  var units: (rows: [Float], features: [Float]) { (rows.units, weights.units) }

  /// Lower bounds of the pre-activations of some rows, [range.count, features], with `bias` in the place of `b_act`; they
  /// are too low by at most `2 · slack · unit of the row · unit of the feature`.
  func bounds(_ range: Range<Int>, bias: [Float]) -> Tensor {
    let features = sae.features
    let bias = bias + Array(repeating: 0, count: weights.units.count - features)
    var result = Tensor(uninitialized: [range.count, features])
    let panels = (features + Self.blockFeatures - 1) / Self.blockFeatures
    let blocks = (range.count + Self.blockRows - 1) / Self.blockRows
    result.withMutableElements { y in
      let y = y.baseAddress!
      rows.withElements { x in
        weights.withElements { w in
          // Disjoint: each piece writes its own rectangle.
          Parallel.forEach(panels, blocks) { panel, block in
            let (row, feature) = (block * Self.blockRows, panel * Self.blockFeatures)
            let first = range.lowerBound + row
            rows.units.withUnsafeBufferPointer { rowUnits in
              weights.units.withUnsafeBufferPointer { units in
                bias.withUnsafeBufferPointer { bias in
                  kernel_screen(
                    y + row * features + feature, features, x + first * 2 * rows.pairs,
                    rowUnits.baseAddress! + first, min(Self.blockRows, range.count - row),
                    w + feature * 2 * rows.pairs, units.baseAddress! + feature, bias.baseAddress! + feature,
                    min(Self.blockFeatures, features - feature), rows.pairs, slack)
                }
              }
            }
          }
        }
      }
    }
    return result
  }
}

/// Vectors rounded to 16-bit integers, each in a unit of its own, some of them packed side by side.
private struct RoundedRows {
  /// The units, filled up to whole groups.
  let units: [Float]
  /// Pairs of components of a vector.
  let pairs: Int
  // [groups, pairs, side by side]: each element holds a pair.
  private let elements: Tensor

  /// Rounds the rows of a matrix; the last group is filled up with the last row.
  init(_ x: Tensor, sideBySide lanes: Int) {
    let (rows, width, pairs) = (x.rows, x.width, (x.width + 1) / 2)
    let groups = (rows + lanes - 1) / lanes
    var units = [Float](repeating: 0, count: groups * lanes)
    var elements = Tensor(uninitialized: [groups, pairs, lanes])
    elements.withMutableElements { q in
      units.withUnsafeMutableBufferPointer { units in
        let (q, units) = (UnsafeMutableRawPointer(q.baseAddress!), units)
        x.withElements { x in
          // Disjoint: each range has its own groups.
          Parallel.forRanges(groups, grain: 4) { range in
            for place in range.lowerBound * lanes..<range.upperBound * lanes {
              let (group, lane) = place.quotientAndRemainder(dividingBy: lanes)
              let target = (q + 4 * (group * pairs * lanes + lane)).assumingMemoryBound(to: Int16.self)
              units[place] = kernel_quantize(
                target, 2 * lanes, x.baseAddress! + min(place, rows - 1) * width, width)
            }
          }
        }
      }
    }
    (self.units, self.pairs, self.elements) = (units, pairs, elements)
  }

  /// Hands out all components.
  func withElements<R>(_ body: (UnsafePointer<Int16>) throws -> R) rethrows -> R {
    try elements.withElements {
      try body(UnsafeRawPointer($0.baseAddress!).assumingMemoryBound(to: Int16.self))
    }
  }
}
