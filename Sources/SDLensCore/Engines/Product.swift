import CKernels

/// The product that most of the work is: rows of activations times the rows of a weight matrix.
enum Product {
  /// Rows and outputs are cut at multiples of these: so many fill the registers.
  private static let (rowsAtOnce, outputsAtOnce) = (16, 12)
  private static let blockRows = Int(KERNEL_BLOCK)

  /// What activations are multiplied by, and where the result of `x wᵀ + bias` goes, with `x` [rows, weight.columns] and
  /// `y` [rows, weight.rows], or gated half as wide.
  struct Factor {
    let weight: WeightMatrix
    let bias: Tensor?
    let y: UnsafeMutablePointer<Float>
  }

  /// Multiplies activations by one or several weight matrices of one size.
  ///
  /// - Parameters:
  ///   - together: how many rows always come together, such as those of a picture: what becomes of them does not
  ///     depend, bit for bit, on other rows.
  ///   - precision: of all but what a picture has one row of, such as the embedding of its time: that is little
  ///     work.
  static func multiply(
    _ x: UnsafePointer<Float>, rows: Int, together: Int, by factors: [Factor],
    precision: Precision = .float32, result: kernel_result = kernel_set
  ) {
    let factors = factors.map { Factor(weight: $0.weight.readable, bias: $0.bias, y: $0.y) }
    let (inputs, outputs) = (factors[0].weight.columns, factors[0].weight.rows)
    let integers = precision == .int16 && together > 1
    let strassen = !integers && usesStrassen(rows: together, inputs: inputs, outputs: outputs)
    let scheme: PackedRows.Scheme = integers ? .integers : strassen ? .strassen : .plain
    let wanted = 4 * Parallel.threads
    let whole = blocks(of: rows, largest: scheme.mostRows)
    // Both halves of the outputs together.
    let halves = strassen || result == kernel_gate ? 2 : 1
    let stride = result == kernel_gate ? outputs / 2 : outputs
    let panels = panels(
      of: outputs / halves, widest: Int(KERNEL_PANEL) / halves, atLeast: wanted / max(1, whole.count))
    // Few outputs: smaller blocks give all threads something to do.
    let blocks =
      strassen
      ? whole : cut(rows, into: max(whole.count, min(wanted / panels.count, rows / 64)), by: rowsAtOnce)
    let packed = PackedRows(x, inputs: inputs, blocks: blocks, scheme)
    // Disjoint: each piece writes its own rectangle of its y. Those of one block come together.
    Parallel.forEach(blocks.count, factors.count, panels.count) { block, index, panel in
      let factor = factors[index]
      factor.weight.withKernelWeights { weights in
        packed.multiply(
          block, by: weights, outputs: panels[panel], bias: factor.bias,
          into: factor.y + blocks[block].lowerBound * stride, stride: stride, result)
      }
    }
  }

  /// Where forming the sums of Strassen's scheme, which mixes the rows of a block, costs less than it saves.
  private static func usesStrassen(rows: Int, inputs: Int, outputs: Int) -> Bool {
    rows % blockRows == 0 && inputs % 2 == 0 && outputs % 2 == 0 && min(inputs, outputs) >= 512
  }

  /// The rows in blocks of at most as many as a kernel takes.
  static func blocks(of rows: Int, largest: Int = Int(KERNEL_BLOCK)) -> [Range<Int>] {
    cut(rows, into: (rows + largest - 1) / largest, by: rowsAtOnce)
  }

  /// Panels of nearly equal width, so many that all threads are busy to the end.
  static func panels(of outputs: Int, widest: Int, atLeast pieces: Int) -> [Range<Int>] {
    let least = max((outputs + widest - 1) / widest, min(pieces, 2 * outputs / widest))
    let threads = Parallel.threads
    return cut(outputs, into: (least + threads - 1) / threads * threads, by: outputsAtOnce)
  }

  /// `0..<count` in as many pieces, if there are as many units, and as equal as multiples of `unit` can be.
  static func cut(_ count: Int, into pieces: Int, by unit: Int) -> [Range<Int>] {
    let units = (count + unit - 1) / unit
    let pieces = max(1, min(units, pieces))
    return (0..<pieces).map {
      units * $0 / pieces * unit..<min(count, units * ($0 + 1) / pieces * unit)
    }
  }
}

/// Activations laid out for the kernel, in blocks of rows that need not lie together.
struct PackedRows {
  /// How they are multiplied.
  enum Scheme {
    case plain
    /// Strassen's scheme, for whole blocks only.
    case strassen
    /// As 16-bit integers.
    case integers

    /// The floats that a packed block takes.
    func size(rows: Int, inputs: Int) -> Int {
      self == .integers
        ? kernel_shorts_size(rows, inputs) : kernel_packed_size(self == .strassen, rows, inputs)
    }

    /// The most rows of a block.
    var mostRows: Int { Int(self == .integers ? KERNEL_SHORTS_BLOCK : KERNEL_BLOCK) }

    /// How many inputs are multiplied at a time: weights may come in pieces of as many.
    var depth: Int { self == .integers ? Int(KERNEL_SHORTS_DEPTH) : Int(KERNEL_DEPTH) }

    /// The pieces in which a packed block is made: groups of rows, by Strassen's scheme cut into strips of inputs.
    func groups(rows: Int, inputs: Int) -> Int { kernel_packed_groups(self == .strassen, rows, inputs) }
  }

  private let blocks: [Range<Int>]
  let scheme: Scheme
  /// [blocks, floats of the largest one].
  private var elements: Tensor

  /// Lays out the rows `blocks` of `x` [rows, inputs] on all threads.
  init(_ x: UnsafePointer<Float>, inputs: Int, blocks: [Range<Int>], _ scheme: Scheme = .plain) {
    (self.blocks, self.scheme) = (blocks, scheme)
    let largest = blocks.map(\.count).max() ?? 0
    let size = scheme.size(rows: largest, inputs: inputs)
    let groups = scheme.groups(rows: largest, inputs: inputs)
    elements = Tensor(uninitialized: [blocks.count, size])
    elements.withMutableElements { packed in
      let packed = packed.baseAddress!
      // Disjoint: each group has its own place.
      Parallel.forRanges(blocks.count * groups, grain: max(1, 1024 / inputs)) { range in
        for piece in range {
          let (block, group) = (piece / groups, piece % groups)
          let rows = blocks[block]
          guard group < scheme.groups(rows: rows.count, inputs: inputs) else { continue }
          let (to, from) = (packed + block * size, x + rows.lowerBound * inputs)
          if scheme == .integers {
            kernel_shorts_pack(to, from, rows.count, inputs, group, group + 1)
          } else {
            kernel_pack(to, scheme == .strassen, from, rows.count, inputs, group, group + 1)
          }
        }
      }
    }
  }

  /// Lays out blocks of rows of several matrices, which are made on the way: those of the second follow those of the
  /// first, and so on.
  ///
  /// - Parameters:
  ///   - matrices: their number; all have `inputs` columns.
  ///   - blocks: rows, the same of each matrix.
  ///   - scheme: any but Strassen's.
  ///   - make: writes some inputs of up to sixteen rows, `[inputs, 16]` of each matrix, `plane` floats from one matrix
  ///     to the next; called by several threads.
  init(
    matrices: Int, inputs: Int, blocks: [Range<Int>], _ scheme: Scheme,
    make: (UnsafeMutablePointer<Float>, _ plane: Int, _ rows: Range<Int>, _ inputs: Range<Int>) -> Void
  ) {
    (self.blocks, self.scheme) = ((0..<matrices).flatMap { _ in blocks }, scheme)
    // Sixteen more: matrices do not begin on the same lines of a cache.
    let size = scheme.size(rows: blocks.map(\.count).max() ?? 0, inputs: inputs) + 16
    let groups = blocks.enumerated().flatMap { block, rows in
      (0..<scheme.groups(rows: rows.count, inputs: inputs)).map { (block: block, rows: rows, group: $0) }
    }
    let together = Int(KERNEL_INPUTS)
    elements = Tensor(uninitialized: [self.blocks.count, size])
    elements.withMutableElements { packed in
      let packed = packed.baseAddress!
      // Disjoint: each group has its own places.
      Parallel.forEach(groups.count) { index in
        let (block, rows, group) = groups[index]
        let first = rows.lowerBound + group * 16
        let some = first..<min(first + 16, rows.upperBound)
        let to = packed + block * size
        let plane = together * 16 + 16
        var made = Tensor(uninitialized: [scheme == .integers ? matrices * plane : 0])
        for input in stride(from: 0, to: inputs, by: together) {
          let columns = input..<min(input + together, inputs)
          guard scheme == .integers else {
            make(
              to + kernel_packed_offset(rows.count, inputs, group, input), blocks.count * size, some, columns)
            continue
          }
          made.withMutableElements { made in
            make(made.baseAddress!, plane, some, columns)
            for matrix in 0..<matrices {
              kernel_shorts_pack_lanes(
                to + matrix * blocks.count * size, made.baseAddress! + matrix * plane, rows.count, inputs,
                group,
                input)
            }
          }
        }
      }
    }
  }

  /// A rectangle of the product: one block of rows, some outputs; `y` starts at the block's first row.
  func multiply(
    _ block: Int, by weights: kernel_weights, outputs: Range<Int>, bias: Tensor? = nil,
    into y: UnsafeMutablePointer<Float>, stride: Int, _ result: kernel_result = kernel_set
  ) {
    func multiply(_ bias: UnsafePointer<Float>?) {
      elements.withElements { packed in
        withUnsafePointer(to: weights) {
          let from = packed.baseAddress! + block * elements.shape[1]
          if scheme == .integers {
            kernel_shorts_product(
              y, stride, from, blocks[block].count, $0, outputs.lowerBound, outputs.upperBound, bias,
              result)
          } else {
            kernel_product(
              y, stride, from, scheme == .strassen, blocks[block].count, $0, outputs.lowerBound,
              outputs.upperBound, bias, result)
          }
        }
      }
    }
    if let bias { bias.withElements { multiply($0.baseAddress!) } } else { multiply(nil) }
  }

  /// The product of a block and all outputs, the other way round: `y` is [outputs, rows, filled up to groups of
  /// sixteen], outputs `stride` apart; with integers there must be room for outputs that fill such groups, too.
  ///
  /// - Parameters:
  ///   - input: the input that the weights begin with; a multiple of the scheme's `depth`.
  ///   - weights: not of a block by Strassen's scheme.
  func columns(
    _ block: Int, from input: Int, by weights: kernel_weights, into y: UnsafeMutablePointer<Float>,
    stride: Int,
    accumulate: Bool
  ) {
    let multiply = scheme == .integers ? kernel_shorts_columns : kernel_columns
    elements.withElements { packed in
      withUnsafePointer(to: weights) {
        // As many rows as fill groups, for each input before.
        let before = input == 0 ? 0 : scheme.size(rows: blocks[block].count, inputs: input)
        multiply(
          y, stride, packed.baseAddress! + block * elements.shape[1] + before, blocks[block].count, $0,
          accumulate)
      }
    }
  }
}
