import CKernels

/// A 3 × 3 convolution of stride 1 by Winograd's F(4 × 4, 3 × 3): a quarter of the products.
///
/// The weights stay in their file; a panel of outputs at a time is transformed where it is needed.
/// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; see winograd.c.
struct Winograd: Sendable {
  private static let places = 36
  /// What the transformed tiles of one block may take, in floats: a part of the outer cache.
  private static let blockElements = 12 << 20

  // [outputs, inputs · 3 · 3].
  private let weight: WeightMatrix
  private let bias: Tensor

  init(_ weight: WeightMatrix, bias: Tensor) {
    (self.weight, self.bias) = (weight, bias)
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
    let block = max(32, min(batch * tiles, Self.blockElements / (Self.places * (inputs + outputs))))
    var inputTiles = Tensor(uninitialized: [Self.places, block, inputs])
    var outputTiles = Tensor(uninitialized: [Self.places, block, outputs])
    bias.withElements { bias in
      inputTiles.withMutableElements { v in
        outputTiles.withMutableElements { m in
          let (v, m) = (v.baseAddress!, m.baseAddress!)
          for first in stride(from: 0, to: batch * tiles, by: block) {
            let count = min(block, batch * tiles - first)
            // Disjoint: tiles are rows of every plane, and cover different pixels.
            Parallel.forRanges(count, grain: 4) {
              kernel_winograd_input(
                v + $0.lowerBound * inputs, block * inputs, x, &source, first + $0.lowerBound,
                first + $0.upperBound)
            }
            multiply(v, tiles: count, planes: block, into: m)
            Parallel.forRanges(count, grain: 4) {
              kernel_winograd_output(
                y, m + $0.lowerBound * outputs, block * outputs, bias.baseAddress!, accumulate, &target,
                first + $0.lowerBound, first + $0.upperBound)
            }
          }
        }
      }
    }
  }

  /// For each of the 36 places the product of tiles [tiles, inputs] and weights, `planes` tiles apart.
  private func multiply(
    _ v: UnsafePointer<Float>, tiles: Int, planes: Int, into m: UnsafeMutablePointer<Float>
  ) {
    let (outputs, inputs, depth) = (weight.rows, weight.columns / 9, Int(KERNEL_DEPTH))
    let blocks = (0..<Self.places).flatMap { place in
      Product.blocks(of: tiles).map { $0.lowerBound + place * planes..<$0.upperBound + place * planes }
    }
    let packed = PackedRows(v, inputs: inputs, blocks: blocks)
    // As wide as there are tiles: then neither is read much more often than the other.
    let widest = min(Int(KERNEL_PANEL), max(24, tiles / 12 * 12))
    let panels = Product.panels(of: outputs, widest: widest, atLeast: 4 * Parallel.threads)
    weight.withKernelWeights { weights in
      // Disjoint: each panel writes its own columns of every plane.
      Parallel.forEach(panels.count) { index in
        let panel = panels[index]
        let size = panel.count * Int(KERNEL_WEIGHT_STRIDE)
        // Some inputs at a time, so that their transformed weights stay in the cache until they are used.
        var transformed = Tensor(uninitialized: [Self.places, size])
        for first in stride(from: 0, to: inputs, by: depth) {
          let some = first..<min(inputs, first + depth)
          transformed.withMutableElements { u in
            withUnsafePointer(to: weights) {
              kernel_winograd_weights(
                u.baseAddress!, size, $0, panel.lowerBound, panel.upperBound, some.lowerBound, some.count)
            }
            for block in blocks.indices {
              let row = blocks[block].lowerBound
              let weights = kernel_weights(
                elements: u.baseAddress! + row / planes * size, format: kernel_panel, outputs: panel.count,
                depth: some.count)
              packed.multiply(
                block, from: first, by: weights, outputs: 0..<panel.count,
                into: m + row * outputs + panel.lowerBound, stride: outputs, accumulate: first > 0)
            }
          }
        }
      }
    }
  }
}
