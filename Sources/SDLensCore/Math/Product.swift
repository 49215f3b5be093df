import CKernels

/// The product that most of the work is: rows of activations times the rows of a weight matrix.
enum Product {
  /// The weights of one piece of work stay in the outer cache while all rows go by.
  private static let panelElements = 1 << 20

  /// `y = x wᵀ + bias`, or `y += x wᵀ + bias`, with `x` [rows, w.columns] and `y` [rows, w.rows].
  static func multiply(
    _ x: UnsafePointer<Float>, rows: Int, by w: WeightMatrix, bias: Tensor?,
    into y: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) {
    let outputs = w.rows
    let inputs = w.columns
    // Panels of outputs, each multiplied with all rows; rows are split too when panels are too few.
    let widest = max(16, panelElements / max(1, inputs) & ~15)
    let fair = (outputs + 2 * Parallel.threads - 1) / (2 * Parallel.threads)
    let panel = min(widest, max(64, (fair + 15) & ~15))
    let panels = (outputs + panel - 1) / panel
    let wanted = panels >= 2 * Parallel.threads ? 1 : (4 * Parallel.threads + panels - 1) / panels
    let blocks = max(1, min(wanted, rows / 64))
    // Disjoint: each piece writes its own rectangle of y.
    Parallel.forEach(panels * blocks) { piece in
      let block = piece / panels
      let first = piece % panels * panel
      let columns = first..<min(outputs, first + panel)
      let row = rows * block / blocks
      let count = rows * (block + 1) / blocks - row
      let target = y + row * outputs + columns.lowerBound
      bias?.withElements { bias in
        let fill = accumulate ? kernel_add_to_rows : kernel_set_rows
        fill(target, outputs, bias.baseAddress! + columns.lowerBound, count, columns.count)
      }
      w.withRows(columns) { weights in
        BLAS.multiply(
          m: count, n: columns.count, k: inputs,
          x + row * inputs, strideA: inputs, weights, strideB: inputs, transposed: true,
          beta: accumulate || bias != nil ? 1 : 0, into: target, strideC: outputs)
      }
    }
  }
}
