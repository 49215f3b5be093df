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
    let size = outWidth * channels
    x.withElements { x in
      result.updateRows(ofWidth: size, grain: max(1, 16384 / size)) { y, rows in
        for (index, row) in rows.enumerated() {
          let line = (row / outHeight * height + row % outHeight * stride) * width * channels
          kernel_max_pool(
            y + index * size, x.baseAddress! + line, width * channels, window, stride, outWidth, channels)
        }
      }
    }
    return result
  }
}
