import CKernels

/// A 3 × 3 convolution of stride 1 by Winograd's F(4 × 4, 3 × 3): a quarter of the products.
///
/// The weights stay in their file; a panel of outputs at a time is transformed where it is needed.
/// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; see winograd.c.
struct Winograd: Sendable {
  private static let places = 36
  /// What the transformed tiles of one block may take, in floats: a part of the outer cache.
  private static let blockElements = 4 << 20
  /// The most tiles of a block, and outputs of a panel: what the products of one thread take is to stay in its caches.
  private static let (mostTiles, mostOutputs) = (512, 48)
  /// With fewer tiles in a picture, rounding the transformed weights takes longer than integers save.
  private static let leastTilesOfIntegers = 64

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
    let panels = Product.panels(of: outputs, widest: Self.mostOutputs, atLeast: 1)
    let fitting = Self.blockElements / (Self.places * scheme.size(rows: 16, inputs: inputs)) * 16
    let blocks = Product.blocks(
      of: batch * tiles, largest: min(scheme.mostRows, Self.mostTiles, max(64, fitting)))
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
          let products = multiply(packed, block, of: some, by: panel)
          products.withElements {
            kernel_winograd_output(
              y, $0.baseAddress!, tiles.count * panel.count, bias.baseAddress!, accumulate, &target,
              panel.lowerBound, panel.count, tiles.lowerBound, tiles.upperBound)
          }
        }
      }
    }
  }

  /// For each of the 36 places the product of a block's tiles and a panel of weights, [places, tiles, outputs].
  private func multiply(_ packed: PackedRows, _ block: Int, of blocks: [Range<Int>], by panel: Range<Int>)
    -> Tensor
  {
    let (inputs, scheme) = (weight.columns / 9, packed.scheme)
    let (tiles, depth) = (blocks[block].count, min(inputs, scheme.depth))
    let stride = scheme == .integers ? depth : Int(KERNEL_WEIGHT_STRIDE)
    let size = panel.count * stride
    // Some inputs at a time, so that their transformed weights stay in the cache until they are used.
    var transformed = Tensor(uninitialized: [Self.places, size])
    var products = Tensor(uninitialized: [Self.places, tiles, panel.count])
    weight.withKernelWeights { weights in
      for first in Swift.stride(from: 0, to: inputs, by: scheme.depth) {
        let some = first..<min(inputs, first + scheme.depth)
        let stride = scheme == .integers ? some.count : stride
        transformed.withMutableElements { u in
          withUnsafePointer(to: weights) {
            kernel_winograd_weights(
              u.baseAddress!, size, stride, $0, panel.lowerBound, panel.upperBound, some.lowerBound,
              some.count)
          }
          products.withMutableElements { products in
            for place in 0..<Self.places {
              let weights = kernel_weights(
                elements: u.baseAddress! + place * size,
                format: scheme == .integers ? kernel_f32 : kernel_panel, outputs: panel.count,
                depth: some.count)
              packed.multiply(
                place * blocks.count + block, from: first, by: weights, outputs: 0..<panel.count,
                into: products.baseAddress! + place * tiles * panel.count, stride: panel.count,
                accumulate: first > 0)
            }
          }
        }
      }
    }
    return products
  }
}
