import CKernels

/// The weights of a 3 × 3 convolution of stride 1 for Winograd's F(4 × 4, 3 × 3): a quarter of the products.
///
/// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; see winograd.c.
struct Winograd: Sendable {
  private static let places = 36
  /// What the transformed tiles of one block may take, in floats: a part of the outer cache.
  private static let blockElements = 6 << 20

  // [36, outputs, inputs].
  private let weight: Tensor
  private let bias: Tensor

  /// Transforms weights [outputs, inputs, 3, 3].
  init(_ source: Tensor, bias: Tensor) {
    let (outputs, inputs) = (source.shape[0], source.shape[1])
    var weight = Tensor(uninitialized: [Self.places, outputs, inputs])
    weight.withMutableElements { u in
      nonisolated(unsafe) let u = u.baseAddress!
      source.withElements { w in
        Parallel.forRanges(outputs * inputs, grain: 1024) {
          kernel_winograd_weights(
            u + $0.lowerBound, outputs * inputs, w.baseAddress! + $0.lowerBound * 9, $0.count)
        }
      }
    }
    self.weight = weight
    self.bias = bias
  }

  /// One picture [height, width, inputs] → [height, width, outputs], set or added.
  func multiply(
    _ x: UnsafePointer<Float>, height: Int, width: Int, into y: UnsafeMutablePointer<Float>, accumulate: Bool
  ) {
    let (outputs, inputs) = (weight.shape[1], weight.shape[2])
    let across = (width + 3) / 4
    let tiles = across * ((height + 3) / 4)
    var source = kernel_map(height: height, width: width, channels: inputs, tiles_across: across)
    var target = kernel_map(height: height, width: width, channels: outputs, tiles_across: across)
    let block = max(32, min(tiles, Self.blockElements / (Self.places * (inputs + outputs))))
    var inputTiles = Tensor(uninitialized: [Self.places, block, inputs])
    var outputTiles = Tensor(uninitialized: [Self.places, block, outputs])
    weight.withElements { u in
      bias.withElements { bias in
        inputTiles.withMutableElements { v in
          outputTiles.withMutableElements { m in
            nonisolated(unsafe) let (v, m) = (v.baseAddress!, m.baseAddress!)
            for first in stride(from: 0, to: tiles, by: block) {
              let count = min(block, tiles - first)
              // Disjoint: tiles are rows of every plane, and cover different pixels.
              Parallel.forRanges(count, grain: 4) {
                kernel_winograd_input(
                  v + $0.lowerBound * inputs, block * inputs, x, &source, first + $0.lowerBound,
                  first + $0.upperBound)
              }
              multiply(v, u.baseAddress!, tiles: count, planes: block, into: m)
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
  }

  /// For each of the 36 places the product of tiles [tiles, inputs] and weights, `planes` tiles apart.
  private func multiply(
    _ v: UnsafePointer<Float>, _ u: UnsafePointer<Float>, tiles: Int, planes: Int,
    into m: UnsafeMutablePointer<Float>
  ) {
    let (outputs, inputs) = (weight.shape[1], weight.shape[2])
    let panel = Int(KERNEL_PANEL)
    // Disjoint: each place has its own plane.
    Parallel.forEach(Self.places) { place in
      let weights = kernel_weights(
        elements: u + place * outputs * inputs, format: kernel_f32, depth: inputs)
      var packed = Tensor(uninitialized: [Product.padded(tiles), inputs])
      packed.withMutableElements { packed in
        let packed = packed.baseAddress!
        Product.pack(
          v + place * planes * inputs, rows: tiles, depth: inputs,
          groups: 0..<Product.padded(tiles) / Int(KERNEL_ROWS), into: packed)
        for first in stride(from: 0, to: outputs, by: panel) {
          Product.multiply(
            packed, packedRows: Product.padded(tiles), by: weights, into: m + place * planes * outputs,
            stride: outputs,
            Product.Piece(rows: 0..<tiles, outputs: first..<min(outputs, first + panel)))
        }
      }
    }
  }
}
