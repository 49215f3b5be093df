import CKernels

/// Normalises each vector along the last axis, then scales and shifts it (torch.nn.LayerNorm).
public struct LayerNorm: Sendable {
  private let weight: Tensor
  private let bias: Tensor
  private let epsilon: Float

  /// Reads `weight` [width] and `bias` [width].
  public init(_ w: WeightScope, width: Int, epsilon: Float = 1e-5) throws {
    weight = try w.tensor("weight", [width])
    bias = try w.tensor("bias", [width])
    self.epsilon = epsilon
  }

  /// A norm of these weights [width] and biases [width].
  public init(weight: Tensor, bias: Tensor, epsilon: Float) {
    precondition(weight.shape == bias.shape && weight.shape.rank == 1, "\(weight.shape) and \(bias.shape)")
    (self.weight, self.bias, self.epsilon) = (weight, bias, epsilon)
  }

  /// [..., width] → the same shape.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    precondition(x.width == weight.count, "\(x.shape) into a norm of width \(weight.count)")
    var result = Tensor(uninitialized: x.shape)
    let width = x.width
    Tensor.withElements(weight, bias) { weight, bias in
      result.updateRows(reading: x, grain: max(1, 4096 / width)) { y, x, rows in
        kernel_layer_norm(y, x, weight, bias, epsilon, rows.count, width)
      }
    }
    return result
  }
}

/// Normalises each group of channels of each picture, then scales and shifts (torch.nn.GroupNorm).
public struct GroupNorm: Sendable {
  private let weight: Tensor
  private let bias: Tensor
  private let groups: Int
  private let epsilon: Float

  /// Reads `weight` [channels] and `bias` [channels]; `groups` divides `channels`.
  public init(_ w: WeightScope, channels: Int, groups: Int, epsilon: Float) throws {
    precondition(channels % groups == 0, "\(groups) groups of \(channels) channels")
    weight = try w.tensor("weight", [channels])
    bias = try w.tensor("bias", [channels])
    self.groups = groups
    self.epsilon = epsilon
  }

  /// [batch, height, width, channels] → the same shape, followed by SiLU if asked.
  public func callAsFunction(_ x: Tensor, silu: Bool = false) -> Tensor {
    let channels = x.width
    precondition(channels == weight.count, "\(x.shape) into a norm of \(weight.count) channels")
    let pixels = x.rows / x.shape[0]
    var result = Tensor(uninitialized: x.shape)
    for picture in 0..<x.count / (pixels * channels) {
      let rows = picture * pixels..<(picture + 1) * pixels
      let (center, scale, shift) = x.withElements {
        coefficients(
          UnsafeBufferPointer(rebasing: $0[rows.lowerBound * channels..<rows.upperBound * channels]))
      }
      result.updateRows(rows, reading: x, grain: max(1, 8192 / channels)) { y, x, rows in
        kernel_normalize(y, x, center, scale, shift, silu, rows.count, channels)
      }
    }
    return result
  }

  /// `y = scale · (x - center) + shift` per channel, from the mean and variance of each group of one picture.
  private func coefficients(
    _ x: UnsafeBufferPointer<Float>
  ) -> (center: [Float], scale: [Float], shift: [Float]) {
    let channels = weight.count
    let pixels = x.count / channels
    let size = channels / groups
    // Distances to a value of the group itself, so that a large mean costs no digits.
    let center = (0..<channels).map { x[$0 / size * size] }
    // As many pieces on every machine, so that sums are formed in the same order.
    let pieces = max(1, min(64, pixels / 256))
    var moments = [Double](repeating: 0, count: pieces * 2 * channels)
    moments.withUnsafeMutableBufferPointer { moments in
      let base = moments.baseAddress!
      // Disjoint: each piece has its own sums.
      Parallel.forEach(pieces) { piece in
        let first = pixels * piece / pieces
        let sums = base + piece * 2 * channels
        kernel_channel_moments(
          sums, sums + channels, center, x.baseAddress! + first * channels,
          pixels * (piece + 1) / pieces - first, channels)
      }
    }
    var scale = [Float](repeating: 0, count: channels)
    var shift = scale
    for group in 0..<groups {
      var sum = 0.0
      var squares = 0.0
      for piece in 0..<pieces {
        for channel in group * size..<(group + 1) * size {
          sum += moments[piece * 2 * channels + channel]
          squares += moments[(piece * 2 + 1) * channels + channel]
        }
      }
      let count = Double(size * pixels)
      let variance = max(0, squares / count - (sum / count) * (sum / count))
      let inverse = 1 / (variance + Double(epsilon)).squareRoot()
      for channel in group * size..<(group + 1) * size {
        scale[channel] = Float(Double(weight[channel]) * inverse)
        // With the rounded scale, so that its error does not grow with the mean.
        shift[channel] = Float(Double(bias[channel]) - sum / count * Double(scale[channel]))
      }
    }
    return (center, scale, shift)
  }
}
