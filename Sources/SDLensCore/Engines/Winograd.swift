import CKernels

/// A 3 × 3 convolution of stride 1 by Winograd's F(4 × 4, 3 × 3): a quarter of the products.
///
/// The weights stay in their file; a panel of outputs at a time is transformed where it is needed.
/// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; see winograd.c.
struct Winograd: Sendable {
  private static let places = 36
  /// What the transformed tiles of one block may take, in floats: a part of the outer cache.
  private static let blockElements = 4 << 20
  /// The most tiles of a block, which is what one thread's caches hold of them.
  private static let mostTiles = 512
  /// What the transformed weights of a map of several blocks may take, in floats, to be made once and not for each block.
  private static let keptElements = 6 << 20
  /// With fewer tiles in a picture, rounding the transformed weights takes longer than integers save.
  private static let leastTilesOfIntegers = 128

  /// The most outputs of a panel. Where tiles are few, transforming weights is most of the work, and those of half as many
  /// stay in the second cache; where they take much more than that, it is they that must be read as seldom as can be.
  private static func mostOutputs(tiles: Int, inputs: Int) -> Int {
    tiles <= 64 && places * tiles * inputs <= 3 << 19 ? 24 : 48
  }

  // [outputs, inputs · 3 · 3].
  private let weight: WeightMatrix
  private let bias: Tensor
  private let precision: Precision

  init(_ weight: WeightMatrix, bias: Tensor, _ precision: Precision) {
    (self.weight, self.bias, self.precision) = (weight, bias, precision)
  }

  /// Whether products are saved on a map of these sizes: tiles are few, but are multiplied 16 at a time, and
  /// transforming the weights takes about a third of what multiplying 16 tiles does.
  static func isWorthwhile(height: Int, width: Int) -> Bool {
    let tiles = (height + 3) / 4 * ((width + 3) / 4)
    return 9 * height * width > places * ((tiles + 15) / 16 * 16 + 6)
  }

  /// Pictures [batch, height, width, inputs] → [batch, height, width, outputs], set or added.
  func multiply(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, into y: UnsafeMutablePointer<Float>,
    accumulate: Bool
  ) {
    let (outputs, inputs) = (weight.rows, weight.columns / 9)
    let across = (width + 3) / 4
    let tiles = across * ((height + 3) / 4)
    var source = kernel_map(
      height: height, width: width, channels: inputs, tiles_across: across, tiles: tiles)
    var target = kernel_map(
      height: height, width: width, channels: outputs, tiles_across: across, tiles: tiles)
    let scheme: PackedRows.Scheme =
      precision == .int16 && tiles >= Self.leastTilesOfIntegers ? .integers : .plain
    let fitting = Self.blockElements / (Self.places * scheme.size(rows: 16, inputs: inputs)) * 16
    let blocks = Product.blocks(
      of: batch * tiles, largest: min(scheme.mostRows, Self.mostTiles, max(64, fitting)))
    let widest = Self.mostOutputs(tiles: blocks[0].count, inputs: inputs)
    let panels = Product.panels(of: outputs, widest: widest, atLeast: 1)
    let isKept = blocks.count > 1 && Self.places * outputs * inputs <= Self.keptElements
    let kept =
      isKept
      ? Parallel.map(panels.count) { panel in
        chunks(scheme).map { transformed(panels[panel], $0, scheme) }
      } : nil
    // So many blocks at a time that all threads have a panel.
    let together = (Parallel.threads + panels.count - 1) / panels.count
    bias.withElements { bias in
      for first in stride(from: 0, to: blocks.count, by: together) {
        let some = Array(blocks[first..<min(first + together, blocks.count)])
        let packed = PackedRows(matrices: Self.places, inputs: inputs, blocks: some, scheme) {
          kernel_winograd_input(
            $0, $1.count * $2.count, x, &source, $2.lowerBound, $2.count, $1.lowerBound, $1.upperBound)
        }
        // Disjoint: each piece writes its own channels of its own pixels.
        Parallel.forEach(some.count, panels.count) { block, index in
          let (tiles, panel) = (some[block], panels[index])
          let products = multiply(packed, block, of: some, by: panel, kept?[index])
          products.withElements {
            kernel_winograd_output(
              y, $0.baseAddress!, tiles.count * panel.count, bias.baseAddress!, accumulate, &target,
              panel.lowerBound, panel.count, tiles.lowerBound, tiles.upperBound)
          }
        }
      }
    }
  }

  /// Inputs that are multiplied at a time, so that their transformed weights stay in the cache until they are used.
  private func chunks(_ scheme: PackedRows.Scheme) -> [Range<Int>] {
    let inputs = weight.columns / 9
    return stride(from: 0, to: inputs, by: scheme.depth).map { $0..<min(inputs, $0 + scheme.depth) }
  }

  /// The floats from one output's transformed weights to the next.
  private func rowStride(_ inputs: Range<Int>, _ scheme: PackedRows.Scheme) -> Int {
    scheme == .integers ? inputs.count : Int(KERNEL_WEIGHT_STRIDE)
  }

  /// The weights of a panel for some inputs, [places, outputs, stride].
  private func transformed(_ panel: Range<Int>, _ inputs: Range<Int>, _ scheme: PackedRows.Scheme) -> Tensor {
    let stride = rowStride(inputs, scheme)
    var result = Tensor(uninitialized: [Self.places, panel.count, stride])
    weight.withKernelWeights { weights in
      result.withMutableElements { u in
        withUnsafePointer(to: weights) {
          kernel_winograd_weights(
            u.baseAddress!, panel.count * stride, stride, $0, panel.lowerBound, panel.upperBound,
            inputs.lowerBound, inputs.count)
        }
      }
    }
    return result
  }

  /// For each of the 36 places the product of a block's tiles and a panel of weights, [places, tiles, outputs].
  ///
  /// - Parameter kept: the panel's transformed weights, where they are there already.
  private func multiply(
    _ packed: PackedRows, _ block: Int, of blocks: [Range<Int>], by panel: Range<Int>, _ kept: [Tensor]?
  ) -> Tensor {
    let (scheme, tiles) = (packed.scheme, blocks[block].count)
    var products = Tensor(uninitialized: [Self.places, tiles, panel.count])
    for (chunk, inputs) in chunks(scheme).enumerated() {
      let size = panel.count * rowStride(inputs, scheme)
      (kept?[chunk] ?? transformed(panel, inputs, scheme)).withElements { u in
        products.withMutableElements { products in
          for place in 0..<Self.places {
            let weights = kernel_weights(
              elements: u.baseAddress! + place * size,
              format: scheme == .integers ? kernel_f32 : kernel_panel, outputs: panel.count,
              depth: inputs.count)
            packed.multiply(
              place * blocks.count + block, from: inputs.lowerBound, by: weights, outputs: 0..<panel.count,
              into: products.baseAddress! + place * tiles * panel.count, stride: panel.count,
              accumulate: chunk > 0)
          }
        }
      }
    }
    return products
  }
}
