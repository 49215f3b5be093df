import CKernels

/// The largest value of each channel in every window of a picture (torch.nn.MaxPool2d without padding).
public struct MaxPooling: Sendable {
  private let window: Int
  private let stride: Int

  /// Windows of `window` × `window` pixels, `stride` apart.
  public init(window: Int, stride: Int) { (self.window, self.stride) = (window, stride) }

  /// [batch, height, width, channels] → [batch, …, channels], where an extent n becomes
  /// ⌊(n - window) / stride⌋ + 1.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    precondition(min(height, width) >= window, "\(x.shape) under windows of \(window)")
    let (outHeight, outWidth) = ((height - window) / stride + 1, (width - window) / stride + 1)
    var result = Tensor(uninitialized: [batch, outHeight, outWidth, channels])
    result.withMutableElements { y in
      nonisolated(unsafe) let y = y.baseAddress!
      x.withElements { x in
        // Disjoint: each range is some rows of the result.
        Parallel.forRanges(batch * outHeight, grain: max(1, 16384 / (outWidth * channels))) { range in
          for row in range {
            let line = (row / outHeight * height + row % outHeight * stride) * width * channels
            kernel_max_pool(
              y + row * outWidth * channels, x.baseAddress! + line, width * channels, window, stride,
              outWidth,
              channels)
          }
        }
      }
    }
    return result
  }
}
