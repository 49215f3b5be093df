import CKernels

/// The nonlinearities of the models.
public enum Activation: Sendable {
  /// `x / (1 + exp(-x))`
  case silu
  /// `x Φ(x)`, Φ the normal distribution function
  case gelu
  /// `x / (1 + exp(-1.702 x))`
  case quickGELU
  /// `max(x, 0)`
  case relu
}

extension Tensor {
  /// How many elements a thread takes at least: less is not worth waking it.
  private static let grain = 1 << 14

  /// Applies a nonlinearity to every element.
  public mutating func apply(_ activation: Activation) {
    let kernel =
      switch activation {
      case .silu: kernel_silu
      case .gelu: kernel_gelu
      case .quickGELU: kernel_quick_gelu
      case .relu: kernel_relu
      }
    updateRows(ofWidth: 1, grain: Self.grain) { x, range in kernel(x, x, range.count) }
  }

  /// `self += scale · other`, element by element; the shapes must agree.
  public mutating func add(_ other: Tensor, scale: Float = 1) {
    precondition(shape == other.shape, "\(shape) + \(other.shape)")
    updateRows(ofWidth: 1, reading: other, grain: Self.grain) { y, x, range in
      kernel_add_scaled(y, scale, x, range.count)
    }
  }

  /// `left + right`, element by element.
  public static func + (left: Tensor, right: Tensor) -> Tensor {
    var sum = left
    sum.add(right)
    return sum
  }

  /// `left - right`, element by element.
  public static func - (left: Tensor, right: Tensor) -> Tensor {
    var difference = left
    difference.add(right, scale: -1)
    return difference
  }

  /// `left += right`, element by element.
  public static func += (left: inout Tensor, right: Tensor) { left.add(right) }

  /// `scale · x + shift` for every element.
  public func scaled(by scale: Float, plus shift: Float = 0) -> Tensor {
    var result = Tensor(uninitialized: shape)
    result.updateRows(ofWidth: 1, reading: self, grain: Self.grain) { y, x, range in
      kernel_scale_shift(y, scale, shift, x, range.count)
    }
    return result
  }

  /// The gated unit of the feed-forward layers: `x[..., :w] · gelu(x[..., w:])`, half as wide as `self`.
  public func gatedGELU() -> Tensor {
    let width = width / 2
    var result = Tensor(uninitialized: Shape(shape.extents.dropLast() + [width]))
    result.updateRows(reading: self, grain: max(1, Self.grain / max(1, width))) { y, x, rows in
      kernel_geglu(y, width, x, rows.count, width)
    }
    return result
  }

  /// The tensors side by side along the last axis; all other extents must agree.
  public static func concatenated(_ left: Tensor, _ right: Tensor) -> Tensor {
    precondition(
      left.shape.extents.dropLast() == right.shape.extents.dropLast(), "\(left.shape) beside \(right.shape)")
    let (a, b) = (left.width, right.width)
    var result = Tensor(uninitialized: Shape(left.shape.extents.dropLast() + [a + b]))
    withElements(left, right) { left, right in
      result.updateRows(grain: max(1, Self.grain / max(1, a + b))) { y, rows in
        for (index, row) in rows.enumerated() {
          let target = y + index * (a + b)
          target.update(from: left + row * a, count: a)
          (target + a).update(from: right + row * b, count: b)
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// Adds one vector a picture to all of its pixels: `self` [batch, …, channels], `vectors` [batch, channels].
  public mutating func addToPixels(_ vectors: Tensor) {
    let channels = width
    let pixels = rows / shape[0]
    precondition(vectors.shape == [shape[0], channels], "\(vectors.shape) onto \(shape)")
    vectors.withElements { x in
      updateRows(grain: max(1, (1 << 14) / channels)) { y, range in
        for (index, row) in range.enumerated() {
          kernel_add_scaled(y + index * channels, 1, x.baseAddress! + row / pixels * channels, channels)
        }
      }
    }
  }
}
