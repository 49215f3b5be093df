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

  /// Tensors of equal shape one after the other along the first axis.
  public static func stacked(_ tensors: [Tensor]) -> Tensor {
    let shape = tensors[0].shape
    precondition(tensors.allSatisfy { $0.shape == shape }, "stacking \(tensors.map(\.shape))")
    return Tensor(
      tensors.flatMap(\.elements), Shape([tensors.count * shape[0]] + shape.extents.dropFirst()))
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
  public func picture(_ index: Int) -> Tensor {
    let size = count / shape[0]
    var result = Tensor(uninitialized: Shape([1] + shape.extents.dropFirst()))
    result.withMutableElements { y in
      withElements { x in _ = y.update(fromContentsOf: x[index * size..<(index + 1) * size]) }
    }
    return result
  }
}
