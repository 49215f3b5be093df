import CKernels

/// A k × k convolution over channels-last pictures, zero-padded on each side, by k / 2 unless told otherwise.
public struct Convolution: Sendable {
  /// For all maps but the smallest ones, nil unless kernel, stride and padding fit.
  private let winograd: Winograd?
  /// Weights [outputs, k · k · inputs]: a window's pixels row by row, channels innermost. They are laid out on
  /// first use: what no pass needs takes no memory.
  private let windows: Lazy<WeightMatrix>
  private let bias: Tensor
  private let inputs: Int
  private let outputs: Int
  private let kernel: Int
  private let stride: Int
  private let padding: Int

  /// Reads `weight` [outputs, inputs, kernel, kernel], PyTorch's order, and, unless told otherwise, `bias`
  /// [outputs].
  public init(
    _ w: WeightScope, inputs: Int, outputs: Int, kernel: Int = 3, stride: Int = 1, padding: Int? = nil,
    bias hasBias: Bool = true
  ) throws {
    precondition(kernel % 2 == 1 || padding != nil, "an even kernel of \(kernel) has no middle")
    let weight = try w.matrix("weight", [outputs, inputs, kernel, kernel])
    let bias = hasBias ? try w.tensor("bias", [outputs]) : Tensor(repeating: 0, [outputs])
    let padding = padding ?? kernel / 2
    // With few channels the products are too thin to be worth the transforms.
    let isThin = min(inputs, outputs) < 16
    winograd =
      kernel == 3 && stride == 1 && padding == 1 && !isThin ? Winograd(weight, bias: bias) : nil
    windows = Lazy {
      kernel == 1
        ? weight
        : WeightMatrix(Self.channelsLast(weight.tensor().reshaped([outputs, inputs, kernel, kernel])))
    }
    self.bias = bias
    (self.inputs, self.outputs) = (inputs, outputs)
    (self.kernel, self.stride, self.padding) = (kernel, stride, padding)
  }

  /// [outputs, inputs, k, k] → [outputs, k · k · inputs].
  private static func channelsLast(_ source: Tensor) -> Tensor {
    let (outputs, inputs, window) = (source.shape[0], source.shape[1], source.shape[2] * source.shape[3])
    var result = Tensor(uninitialized: [outputs, window * inputs])
    result.withMutableElements { y in
      source.withElements { x in
        nonisolated(unsafe) let y = y
        Parallel.forRanges(outputs, grain: 1) { range in
          for output in range {
            let start = output * inputs * window
            for place in 0..<window {
              for input in 0..<inputs {
                y[start + place * inputs + input] = x[start + input * window + place]
              }
            }
          }
        }
      }
    }
    return result
  }

  /// [batch, height, width, inputs] → [batch, …, outputs], where an extent n becomes
  /// ⌊(n + 2 padding - kernel) / stride⌋ + 1.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let (height, width) = (places(in: x.shape[1]), places(in: x.shape[2]))
    var y = Tensor(uninitialized: [x.shape[0], height, width, outputs])
    multiply(x, into: &y, accumulate: false)
    return y
  }

  /// `y += convolution(x)`, the residual connection in one go.
  public func add(_ x: Tensor, to y: inout Tensor) { multiply(x, into: &y, accumulate: true) }

  /// How many windows fit along an axis.
  private func places(in extent: Int) -> Int {
    precondition(extent + 2 * padding >= kernel, "\(extent) pixels under a kernel of \(kernel)")
    return (extent + 2 * padding - kernel) / stride + 1
  }

  private func multiply(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let (outHeight, outWidth) = (places(in: height), places(in: width))
    precondition(x.width == inputs, "\(x.shape) into a convolution of \(inputs) channels")
    precondition(y.shape == [batch, outHeight, outWidth, outputs], "\(x.shape) cannot go to \(y.shape)")
    let window = kernel_window(
      height: height, width: width, channels: inputs, out_width: outWidth, kernel: kernel, stride: stride,
      padding: padding)
    y.withMutableElements { y in
      x.withElements { x in
        let (x, y) = (x.baseAddress!, y.baseAddress!)
        if let winograd, Winograd.isWorthwhile(height: height, width: width) {
          winograd.multiply(x, batch: batch, height: height, width: width, into: y, accumulate: accumulate)
        } else if kernel == 1 && stride == 1 && padding == 0 {
          Product.multiply(
            x, rows: batch * height * width, together: height * width,
            by: [Product.Factor(weight: windows.value, bias: bias, y: y)], accumulate: accumulate)
        } else {
          for picture in 0..<batch {
            multiplyWindows(
              of: x + picture * height * width * inputs, window, pixels: outHeight * outWidth,
              by: windows.value, into: y + picture * outHeight * outWidth * outputs, accumulate: accumulate)
          }
        }
      }
    }
  }

  /// Lays out the windows of some thousand pixels at a time and multiplies them with the weights.
  private func multiplyWindows(
    of source: UnsafePointer<Float>, _ window: kernel_window, pixels: Int, by weight: WeightMatrix,
    into target: UnsafeMutablePointer<Float>, accumulate: Bool
  ) {
    var window = window
    let block = max(64, min(pixels, (1 << 22) / weight.columns))
    var patches = Tensor(uninitialized: [block, weight.columns])
    patches.withMutableElements { patches in
      nonisolated(unsafe) let patches = patches.baseAddress!
      for first in Swift.stride(from: 0, to: pixels, by: block) {
        let count = min(block, pixels - first)
        Parallel.forRanges(count, grain: 16) {
          kernel_patches(
            patches + $0.lowerBound * weight.columns, source, &window, first + $0.lowerBound,
            first + $0.upperBound)
        }
        Product.multiply(
          patches, rows: count, together: count,
          by: [Product.Factor(weight: weight, bias: bias, y: target + first * outputs)],
          accumulate: accumulate)
      }
    }
  }
}
