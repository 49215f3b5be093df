import CKernels

/// A 3 × 3 convolution of stride 1 by Winograd's F(4 × 4, 3 × 3): a quarter of the products.
///
/// The weights stay in their file; a panel of outputs at a time is transformed where it is needed.
/// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; see winograd.c.
struct Winograd: Sendable {
  private static let places = 36
  /// What the transformed tiles of one block may take, in floats: a part of the outer cache.
  private static let blockElements = 4 << 20
  /// The most tiles of a block.
  private static let mostTiles = 256
  /// The most transformed weights of a map of several blocks, in floats, that are made once and not for each block.
  private static let keptElements = 12 << 20
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

  /// How the tiles of some pictures are cut into blocks, and the outputs into panels.
  private struct Plan {
    let scheme: PackedRows.Scheme
    /// Blocks of tiles that are transformed together.
    let parts: [[Range<Int>]]
    let panels: [Range<Int>]
    /// With many blocks a thread has some of its own, whose tiles stay in its caches; else threads share the panels of a
    /// part, which has so many blocks that all have some.
    let threadsHaveParts: Bool
    /// Whether weights are transformed once and not for each part.
    let keepsWeights: Bool

    init(tiles: Int, batch: Int, inputs: Int, outputs: Int, _ precision: Precision) {
      scheme = precision == .int16 && tiles >= Winograd.leastTilesOfIntegers ? .integers : .plain
      let fitting = Winograd.blockElements / (Winograd.places * scheme.size(rows: 16, inputs: inputs)) * 16
      let blocks = Product.blocks(of: batch * tiles, largest: min(Winograd.mostTiles, max(64, fitting)))
      threadsHaveParts = blocks.count >= 4 * Parallel.threads
      let widest = Self.mostOutputs(tiles: blocks[0].count, inputs: inputs)
      panels =
        threadsHaveParts
        ? Product.cut(outputs, into: (outputs + widest - 1) / widest, by: 16)
        : Product.panels(of: outputs, widest: widest, atLeast: 1)
      let together = threadsHaveParts ? 1 : (Parallel.threads + panels.count - 1) / panels.count
      keepsWeights =
        blocks.count > together && Winograd.places * outputs * inputs <= Winograd.keptElements
      parts = stride(from: 0, to: blocks.count, by: together).map {
        Array(blocks[$0..<min($0 + together, blocks.count)])
      }
    }

    /// The most outputs of a panel. Where tiles are few, transforming weights is most of the work, and those of half as many
    /// stay in the second cache; where they take much more than that, it is they that must be read as seldom as can be.
    private static func mostOutputs(tiles: Int, inputs: Int) -> Int {
      tiles <= 64 && Winograd.places * tiles * inputs <= 3 << 19 ? 24 : 48
    }
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
    let plan = Plan(tiles: tiles, batch: batch, inputs: inputs, outputs: outputs, precision)
    let (panels, scheme) = (plan.panels, plan.scheme)
    let kept =
      plan.keepsWeights
      ? Parallel.map(panels.count) { panel in
        chunks(scheme).map { transformed(panels[panel], $0, scheme) }
      } : nil
    func convolve(_ blocks: [Range<Int>], _ bias: UnsafePointer<Float>) {
      let packed = PackedRows(matrices: Self.places, inputs: inputs, blocks: blocks, scheme) {
        kernel_winograd_input(
          $0, $1, x, &source, $3.lowerBound, $3.count, $2.lowerBound, $2.upperBound)
      }
      // Disjoint: each piece writes its own channels of its own pixels.
      Parallel.forEach(blocks.count, panels.count) { block, index in
        let (tiles, panel) = (blocks[block], panels[index])
        let products = multiply(packed, block, of: blocks, by: panel, kept?[index])
        products.withElements {
          kernel_winograd_output(
            y, $0.baseAddress!, products.shape[1] * products.shape[2], products.shape[2], bias, accumulate,
            &target, panel.lowerBound, panel.count, tiles.lowerBound, tiles.upperBound)
        }
      }
    }
    bias.withElements { bias in
      if plan.threadsHaveParts {
        Parallel.forEach(plan.parts.count) { convolve(plan.parts[$0], bias.baseAddress!) }
      } else {
        for part in plan.parts { convolve(part, bias.baseAddress!) }
      }
    }
  }

  /// Inputs that are multiplied at a time, so that their transformed weights stay in the cache until they are used.
  private func chunks(_ scheme: PackedRows.Scheme) -> [Range<Int>] {
    let inputs = weight.columns / 9
    return stride(from: 0, to: inputs, by: scheme.depth).map { $0..<min(inputs, $0 + scheme.depth) }
  }

  /// The weights of a panel for some inputs, [places, floats of a kernel's panel].
  private func transformed(_ panel: Range<Int>, _ inputs: Range<Int>, _ scheme: PackedRows.Scheme) -> Tensor {
    func transform(_ outputs: Range<Int>, into u: UnsafeMutablePointer<Float>, plane: Int, stride: Int) {
      weight.withKernelWeights { weights in
        withUnsafePointer(to: weights) {
          kernel_winograd_weights(
            u, plane, stride, $0, outputs.lowerBound, outputs.upperBound, inputs.lowerBound, inputs.count)
        }
      }
    }
    guard scheme == .integers else {
      let stride = Int(KERNEL_WEIGHT_STRIDE)
      var floats = Tensor(uninitialized: [Self.places, panel.count * stride])
      floats.withMutableElements {
        transform(panel, into: $0.baseAddress!, plane: panel.count * stride, stride: stride)
      }
      return floats
    }
    let (together, size) = (Int(KERNEL_SHORTS_TOGETHER), kernel_shorts_panel_size(panel.count))
    // Sixteen more: places do not begin on the same lines of a cache.
    let plane = together * inputs.count + 16
    var (floats, rounded) = (
      Tensor(uninitialized: [Self.places, plane]), Tensor(uninitialized: [Self.places, size])
    )
    floats.withMutableElements { floats in
      rounded.withMutableElements { rounded in
        for first in stride(from: 0, to: panel.count, by: together) {
          let outputs = panel.dropFirst(first).prefix(together)
          transform(outputs, into: floats.baseAddress!, plane: plane, stride: inputs.count)
          for place in 0..<Self.places {
            var weights = kernel_weights(
              elements: floats.baseAddress! + place * plane, format: kernel_f32, outputs: outputs.count,
              depth: inputs.count)
            kernel_shorts_panel(rounded.baseAddress! + place * size, first, &weights, 0)
          }
        }
      }
    }
    return rounded
  }

  /// For each of the 36 places the product of a block's tiles and a panel of weights, [places, outputs, tiles], filled up
  /// to groups of sixteen.
  ///
  /// - Parameter kept: the panel's transformed weights, where they are there already.
  private func multiply(
    _ packed: PackedRows, _ block: Int, of blocks: [Range<Int>], by panel: Range<Int>, _ kept: [Tensor]?
  ) -> Tensor {
    let (outputs, tiles) = ((panel.count + 15) / 16 * 16, (blocks[block].count + 15) / 16 * 16)
    var products = Tensor(uninitialized: [Self.places, outputs, tiles])
    for (chunk, inputs) in chunks(packed.scheme).enumerated() {
      let weights = kept?[chunk] ?? transformed(panel, inputs, packed.scheme)
      weights.withElements { u in
        products.withMutableElements { products in
          for place in 0..<Self.places {
            let panel = kernel_weights(
              elements: u.baseAddress! + place * weights.shape[1], format: kernel_panel, outputs: panel.count,
              depth: inputs.count)
            packed.columns(
              place * blocks.count + block, from: inputs.lowerBound, by: panel,
              into: products.baseAddress! + place * outputs * tiles, stride: tiles, accumulate: chunk > 0)
          }
        }
      }
    }
    return products
  }
}
