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
    withMutableElements { x in
      nonisolated(unsafe) let base = x.baseAddress!
      Parallel.forRanges(x.count, grain: Self.grain) {
        kernel(base + $0.lowerBound, base + $0.lowerBound, $0.count)
      }
    }
  }

  /// `self += scale · other`, element by element; the shapes must agree.
  public mutating func add(_ other: Tensor, scale: Float = 1) {
    precondition(shape == other.shape, "\(shape) + \(other.shape)")
    withMutableElements { y in
      other.withElements { x in
        Parallel.forRanges(y.count, grain: Self.grain) {
          kernel_add_scaled(y.baseAddress! + $0.lowerBound, scale, x.baseAddress! + $0.lowerBound, $0.count)
        }
      }
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
    result.withMutableElements { y in
      withElements { x in
        Parallel.forRanges(x.count, grain: Self.grain) {
          kernel_scale_shift(
            y.baseAddress! + $0.lowerBound, scale, shift, x.baseAddress! + $0.lowerBound, $0.count)
        }
      }
    }
    return result
  }

  /// The gated unit of the feed-forward layers: `x[..., :w] · gelu(x[..., w:])`, half as wide as `self`.
  public func gatedGELU() -> Tensor {
    let width = width / 2
    var result = Tensor(uninitialized: Shape(shape.extents.dropLast() + [width]))
    result.withMutableElements { y in
      withElements { x in
        Parallel.forRanges(rows, grain: max(1, Self.grain / max(1, width))) {
          kernel_geglu(
            y.baseAddress! + $0.lowerBound * width, x.baseAddress! + $0.lowerBound * 2 * width, $0.count,
            width)
        }
      }
    }
    return result
  }

  /// The tensors side by side along the last axis; all other extents must agree.
  public static func concatenated(_ left: Tensor, _ right: Tensor) -> Tensor {
    precondition(
      left.shape.extents.dropLast() == right.shape.extents.dropLast(), "\(left.shape) beside \(right.shape)")
    let (a, b) = (left.width, right.width)
    var result = Tensor(uninitialized: Shape(left.shape.extents.dropLast() + [a + b]))
    result.withMutableElements { y in
      left.withElements { l in
        right.withElements { r in
          Parallel.forRanges(left.rows, grain: max(1, Self.grain / max(1, a + b))) { range in
            for row in range {
              let target = y.baseAddress! + row * (a + b)
              target.update(from: l.baseAddress! + row * a, count: a)
              (target + a).update(from: r.baseAddress! + row * b, count: b)
            }
          }
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// Adds one vector a picture to all of its pixels: `self` [batch, …, channels], `vectors` [batch, channels].
  public mutating func addToPixels(_ vectors: Tensor) {
    let (rows, channels) = (rows, width)
    let pixels = rows / shape[0]
    precondition(vectors.shape == [shape[0], channels], "\(vectors.shape) onto \(shape)")
    withMutableElements { y in
      nonisolated(unsafe) let base = y.baseAddress!
      vectors.withElements { x in
        Parallel.forRanges(rows, grain: max(1, (1 << 14) / channels)) { range in
          for row in range {
            kernel_add_scaled(base + row * channels, 1, x.baseAddress! + row / pixels * channels, channels)
          }
        }
      }
    }
  }
}
