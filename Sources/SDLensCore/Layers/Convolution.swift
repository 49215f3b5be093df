import CKernels

/// A k × k convolution over channels-last pictures, zero-padded by k / 2 on each side.
public struct Convolution: Sendable {
  // [outputs, k · k · inputs]: a window's pixels row by row, channels innermost.
  private let weight: WeightMatrix
  private let bias: Tensor
  private let kernel: Int
  private let stride: Int

  /// Reads `weight` [outputs, inputs, kernel, kernel], PyTorch's order, and `bias` [outputs].
  public init(_ w: WeightScope, inputs: Int, outputs: Int, kernel: Int = 3, stride: Int = 1) throws {
    precondition(kernel % 2 == 1, "an even kernel of \(kernel) has no middle")
    let source = try w.tensor("weight", [outputs, inputs, kernel, kernel])
    weight = WeightMatrix(Self.channelsLast(source))
    bias = try w.tensor("bias", [outputs])
    self.kernel = kernel
    self.stride = stride
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

  /// [batch, height, width, inputs] → [batch, ⌈height / stride⌉, ⌈width / stride⌉, outputs].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let (batch, height, width, inputs) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    precondition(inputs * kernel * kernel == weight.columns, "\(x.shape) into a layer of other channels")
    let outHeight = (height + stride - 1) / stride
    let outWidth = (width + stride - 1) / stride
    var y = Tensor(uninitialized: [batch, outHeight, outWidth, weight.rows])
    var window = kernel_window(
      height: height, width: width, channels: inputs, out_width: outWidth, kernel: kernel, stride: stride,
      padding: kernel / 2)
    y.withMutableElements { y in
      x.withElements { x in
        for picture in 0..<batch {
          let source = x.baseAddress! + picture * height * width * inputs
          let target = y.baseAddress! + picture * outHeight * outWidth * weight.rows
          if kernel == 1 && stride == 1 {
            Product.multiply(source, rows: height * width, by: weight, bias: bias, into: target)
          } else {
            multiplyWindows(of: source, &window, pixels: outHeight * outWidth, into: target)
          }
        }
      }
    }
    return y
  }

  /// Lays out the windows of some thousand pixels at a time and multiplies them with the weights.
  private func multiplyWindows(
    of source: UnsafePointer<Float>, _ window: inout kernel_window, pixels: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    let block = max(64, min(pixels, (1 << 22) / weight.columns))
    var patches = Tensor(uninitialized: [block, weight.columns])
    for first in Swift.stride(from: 0, to: pixels, by: block) {
      let count = min(block, pixels - first)
      patches.withMutableElements { patches in
        nonisolated(unsafe) let base = patches.baseAddress!
        Parallel.forRanges(count, grain: 16) { range in
          kernel_patches(
            base + range.lowerBound * weight.columns, source, &window, first + range.lowerBound,
            first + range.upperBound)
        }
        Product.multiply(base, rows: count, by: weight, bias: bias, into: target + first * weight.rows)
      }
    }
  }
}
