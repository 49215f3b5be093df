import CKernels

/// A k × k convolution over channels-last pictures, zero-padded on each side, by k / 2 unless told otherwise.
public struct Convolution: Sendable {
  private enum Method: Sendable {
    /// Weights [outputs, k · k · inputs]: a window's pixels row by row, channels innermost.
    case windows(WeightMatrix)
    case winograd(Winograd)
  }

  // Made on first use: weights that no pass has needed yet take no memory beside those of another part.
  private let method: Lazy<Method>
  private let bias: Tensor
  private let inputs: Int
  private let outputs: Int
  private let kernel: Int
  private let stride: Int
  private let padding: Int

  /// Reads `weight` [outputs, inputs, kernel, kernel], PyTorch's order, and, unless told otherwise, `bias`
  /// [outputs].
  ///
  /// - Parameter smallMaps: the pictures have so few pixels that reading weights takes the time: they are
  ///   kept as small as they are, not in the four times larger form that saves products.
  public init(
    _ w: WeightScope, inputs: Int, outputs: Int, kernel: Int = 3, stride: Int = 1, padding: Int? = nil,
    bias hasBias: Bool = true, smallMaps: Bool = false
  ) throws {
    precondition(kernel % 2 == 1 || padding != nil, "an even kernel of \(kernel) has no middle")
    let weight = try w.matrix("weight", [outputs, inputs, kernel, kernel])
    let bias = hasBias ? try w.tensor("bias", [outputs]) : Tensor(repeating: 0, [outputs])
    let padding = padding ?? kernel / 2
    // With few channels the products are too thin to be worth the transforms.
    let savesProducts =
      kernel == 3 && stride == 1 && padding == 1 && !smallMaps && min(inputs, outputs) >= 16
    method = Lazy {
      if kernel == 1 { return .windows(weight) }
      let source = weight.tensor().reshaped([outputs, inputs, kernel, kernel])
      return savesProducts
        ? .winograd(Winograd(source, bias: bias)) : .windows(WeightMatrix(Self.channelsLast(source)))
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
        for picture in 0..<batch {
          let source = x.baseAddress! + picture * height * width * inputs
          let target = y.baseAddress! + picture * outHeight * outWidth * outputs
          switch method.value {
          case .winograd(let winograd):
            winograd.multiply(source, height: height, width: width, into: target, accumulate: accumulate)
          case .windows(let weight) where kernel == 1 && stride == 1 && padding == 0:
            Product.multiply(
              source, rows: height * width, by: weight, bias: bias, into: target, accumulate: accumulate)
          case .windows(let weight):
            multiplyWindows(
              of: source, window, pixels: outHeight * outWidth, by: weight, into: target,
              accumulate: accumulate)
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
          patches, rows: count, by: weight, bias: bias, into: target + first * outputs,
          accumulate: accumulate)
      }
    }
  }
}
