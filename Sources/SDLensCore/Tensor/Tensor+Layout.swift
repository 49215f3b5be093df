extension Tensor {
  /// [batch, height, width, channels] → [batch, channels, height, width], PyTorch's order.
  public func channelsFirst() -> Tensor {
    let (batch, pixels, channels) = (shape[0], shape[1] * shape[2], shape[3])
    return permuted(batch, pixels, channels, [batch, channels, shape[1], shape[2]])
  }

  /// [batch, channels, height, width], PyTorch's order, → [batch, height, width, channels].
  public func channelsLast() -> Tensor {
    let (batch, channels, pixels) = (shape[0], shape[1], shape[2] * shape[3])
    return permuted(batch, channels, pixels, [batch, shape[2], shape[3], channels])
  }

  /// Transposes each of `batch` matrices of `rows` × `columns`.
  private func permuted(_ batch: Int, _ rows: Int, _ columns: Int, _ shape: Shape) -> Tensor {
    guard rows * columns > 0 else { return reshaped(shape) }
    var result = Tensor(uninitialized: shape)
    result.withMutableElements { y in
      withElements { x in
        for start in stride(from: 0, to: x.count, by: rows * columns) {
          for row in 0..<rows {
            for column in 0..<columns {
              y[start + column * rows + row] = x[start + row * columns + column]
            }
          }
        }
      }
    }
    return result
  }

  /// Tensors one after the other along the first axis; all other extents must agree.
  public static func stacked(_ tensors: [Tensor]) -> Tensor {
    let rest = tensors[0].shape.extents.dropFirst()
    precondition(
      tensors.allSatisfy { $0.shape.extents.dropFirst() == rest }, "stacking \(tensors.map(\.shape))")
    var result = Tensor(uninitialized: Shape([tensors.reduce(0) { $0 + $1.shape[0] }] + rest))
    result.withMutableElements { y in
      var start = 0
      for tensor in tensors {
        tensor.withElements { _ = y[start...].update(fromContentsOf: $0) }
        start += tensor.count
      }
    }
    return result
  }

  /// Some of the vectors along the last axis, [range, width]; all of them without a copy.
  public func rows(_ range: Range<Int>) -> Tensor {
    if range == 0..<rows { return reshaped([rows, width]) }
    var result = Tensor(uninitialized: [range.count, width])
    result.withMutableElements { y in
      withElements { x in
        _ = y.update(fromContentsOf: x[range.lowerBound * width..<range.upperBound * width])
      }
    }
    return result
  }

  /// One entry of the first axis, which stays with extent 1.
  public func picture(_ index: Int) -> Tensor { pictures(index..<index + 1) }

  /// Some entries of the first axis.
  public func pictures(_ range: Range<Int>) -> Tensor {
    let size = count / shape[0]
    var result = Tensor(uninitialized: Shape([range.count] + shape.extents.dropFirst()))
    result.withMutableElements { y in
      withElements { x in
        _ = y.update(fromContentsOf: x[range.lowerBound * size..<range.upperBound * size])
      }
    }
    return result
  }
}
