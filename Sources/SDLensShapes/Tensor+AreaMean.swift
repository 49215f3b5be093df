import SDLensCore

extension Tensor {
  /// Pictures [batch, height, width, channels] at another size, each pixel the mean of those that it touches.
  ///
  /// Pixel i of n covers pixels ⌊i m / n⌋ to ⌈(i + 1) m / n⌉ of m, whole ones, as
  /// `torch.nn.functional.interpolate(mode="area")` and `AvgPool2d` take them.
  package func areaMean(height: Int, width: Int) -> Tensor {
    let (batch, fromHeight, fromWidth, channels) = (shape[0], shape[1], shape[2], shape[3])
    func covered(_ place: Int, of count: Int, by extent: Int) -> Range<Int> {
      place * extent / count..<((place + 1) * extent + count - 1) / count
    }
    var result = Tensor(repeating: 0, [batch, height, width, channels])
    result.withMutableElements { y in
      withElements { x in
        // Disjoint: each row of the result is written by one call.
        Parallel.forRanges(batch * height, grain: 8) { rows in
          for row in rows {
            let (picture, down) = (row / height, covered(row % height, of: height, by: fromHeight))
            for place in 0..<width {
              let across = covered(place, of: width, by: fromWidth)
              let target = (row * width + place) * channels
              for line in down {
                let start = ((picture * fromHeight + line) * fromWidth + across.lowerBound) * channels
                for source in 0..<across.count * channels {
                  y[target + source % channels] += x[start + source]
                }
              }
              let count = Float(down.count * across.count)
              for channel in 0..<channels { y[target + channel] /= count }
            }
          }
        }
      }
    }
    return result
  }

  /// A square of one picture of [batch, height, width, channels]: [1, side, side, channels].
  func window(of picture: Int, row: Int, column: Int, side: Int) -> Tensor {
    let (height, width, channels) = (shape[1], shape[2], shape[3])
    precondition(row + side <= height && column + side <= width, "\(side) from \(row), \(column) of \(shape)")
    var result = Tensor(uninitialized: [1, side, side, channels])
    let line = side * channels
    result.withMutableElements { y in
      withElements { x in
        for index in 0..<side {
          let start = ((picture * height + row + index) * width + column) * channels
          _ = y[(index * line)...].update(fromContentsOf: x[start..<start + line])
        }
      }
    }
    return result
  }
}
