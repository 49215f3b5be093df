import CKernels

/// A convolution by Winograd's scheme, as a product, or as a product of windows, whichever is fastest for its sizes.
struct KernelConvolution: EngineConvolution {
  private let geometry: ConvolutionGeometry
  /// For all maps but the smallest ones, nil unless kernel, stride and padding fit.
  private let winograd: Winograd?
  /// Weights [outputs, k · k · inputs]: a window's pixels row by row, channels innermost. They are laid out on
  /// first use: what no pass needs takes no memory.
  private let windows: Lazy<WeightMatrix>
  private let bias: Tensor
  private let precision: Precision

  init(_ weight: WeightMatrix, bias: Tensor, _ geometry: ConvolutionGeometry, _ precision: Precision) {
    (self.geometry, self.bias) = (geometry, bias)
    // With few channels the products are too thin to be worth the transforms.
    let isThin = min(geometry.inputs, geometry.outputs) < 16
    self.precision = isThin ? .float32 : precision
    let fits = geometry.kernel == 3 && geometry.stride == 1 && geometry.padding == 1
    winograd = fits && !isThin ? Winograd(weight, bias: bias, self.precision) : nil
    windows = Lazy { geometry.kernel == 1 ? weight : WeightMatrix(Self.channelsLast(weight, geometry)) }
  }

  /// [outputs, inputs · k · k] → [outputs, k · k · inputs].
  private static func channelsLast(_ weight: WeightMatrix, _ geometry: ConvolutionGeometry) -> Tensor {
    let (inputs, window) = (geometry.inputs, geometry.kernel * geometry.kernel)
    var result = Tensor(uninitialized: [weight.rows, window * inputs])
    result.updateRows(reading: weight.tensor(), grain: 1) { y, x, outputs in
      for output in 0..<outputs.count {
        let start = output * inputs * window
        for place in 0..<window {
          for input in 0..<inputs {
            y[start + place * inputs + input] = x[start + input * window + place]
          }
        }
      }
    }
    return result
  }

  func convolve(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    y.withMutableElements { y in
      x.withElements { elements in
        let (x, y) = (elements.baseAddress!, y.baseAddress!)
        if let winograd, Winograd.isWorthwhile(height: height, width: width) {
          winograd.multiply(x, batch: batch, height: height, width: width, into: y, accumulate: accumulate)
        } else if geometry.isPointwise {
          Product.multiply(
            x, rows: batch * height * width, together: height * width,
            by: [Product.Factor(weight: windows.value, bias: bias, y: y)], precision: precision,
            result: accumulate ? kernel_add : kernel_set)
        } else {
          multiplyWindows(of: x, batch, height, width, into: y, accumulate: accumulate)
        }
      }
    }
  }

  private func multiplyWindows(
    of x: UnsafePointer<Float>, _ batch: Int, _ height: Int, _ width: Int,
    into y: UnsafeMutablePointer<Float>, accumulate: Bool
  ) {
    let weight = windows.value
    var window = kernel_window(
      height: height, width: width, channels: geometry.inputs, out_width: geometry.places(in: width),
      kernel: geometry.kernel, stride: geometry.stride, padding: geometry.padding)
    Windows(geometry, batch: batch, height: height, width: width).forEachBlock { patches, picture, pixels in
      kernel_patches(
        patches, x + picture * height * width * geometry.inputs, &window, pixels.lowerBound,
        pixels.upperBound)
    } multiply: { patches, first, count in
      Product.multiply(
        patches, rows: count, together: count,
        by: [Product.Factor(weight: weight, bias: bias, y: y + first * geometry.outputs)],
        precision: precision, result: accumulate ? kernel_add : kernel_set)
    }
  }
}

/// The windows of a convolution over pictures, of some thousand pixels at a time.
struct Windows {
  /// Floats of a window.
  private let size: Int
  private let batch: Int
  /// Pixels that the convolution makes of a picture.
  private let pixels: Int

  init(_ geometry: ConvolutionGeometry, batch: Int, height: Int, width: Int) {
    size = geometry.kernel * geometry.kernel * geometry.inputs
    pixels = geometry.places(in: height) * geometry.places(in: width)
    self.batch = batch
  }

  /// Lays windows out and has them multiplied, block after block.
  ///
  /// - Parameters:
  ///   - fill: writes the windows of some pixels of a picture; called by several threads.
  ///   - multiply: gets windows that lie together, the first of their pixels, counted through all pictures, and
  ///     their number.
  func forEachBlock(
    fill: (UnsafeMutablePointer<Float>, _ picture: Int, _ pixels: Range<Int>) -> Void,
    multiply: (UnsafePointer<Float>, _ first: Int, _ count: Int) -> Void
  ) {
    let block = max(64, min(pixels, (1 << 22) / size))
    var patches = Tensor(uninitialized: [block, size])
    for picture in 0..<batch {
      for first in stride(from: 0, to: pixels, by: block) {
        let count = min(block, pixels - first)
        patches.updateRows(0..<count, grain: 16) { patches, rows in
          fill(patches, picture, first + rows.lowerBound..<first + rows.upperBound)
        }
        patches.withElements { multiply($0.baseAddress!, picture * pixels + first, count) }
      }
    }
  }
}
