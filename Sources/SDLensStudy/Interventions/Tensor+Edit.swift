import SDLensCore

// Changes of an update [batch, height, width, channels]; of several pictures the last is the prompt's, and with
// guidance the first is the negative prompt's.
extension Tensor {
  /// `x_p += w_p f` at every place p of the last picture, and `x_p -= w_p f` at those of the first if `opposite`.
  mutating func add(_ direction: [Float], weights: [Float], opposite: Bool) {
    let (places, width) = (weights.count, direction.count)
    precondition(count == shape[0] * places * width && width == self.width, "\(places) weights for \(shape)")
    precondition(!opposite || shape[0] == 2, "\(shape) with guidance")
    withMutableElements { x in
      for place in 0..<places where weights[place] != 0 {
        let last = x.count + (place - places) * width
        for channel in 0..<width { x[last + channel] += weights[place] * direction[channel] }
        guard opposite else { continue }
        for channel in 0..<width { x[place * width + channel] -= weights[place] * direction[channel] }
      }
    }
  }

  /// `x += y` in the last picture, and `x -= y` in the first if `opposite`.
  mutating func addToLastPicture(_ rows: Tensor, opposite: Bool) {
    precondition(rows.count == count / shape[0], "\(rows.shape) to \(shape)")
    precondition(!opposite || shape[0] == 2, "\(shape) with guidance")
    withMutableElements { x in
      rows.withElements { y in
        let last = x.count - y.count
        for index in y.indices { x[last + index] += y[index] }
        guard opposite else { return }
        for index in y.indices { x[index] -= y[index] }
      }
    }
  }

  /// Fills the last picture with values, which are repeated from place to place if they are those of one.
  mutating func setLastPicture(to values: [Float]) {
    let size = count / shape[0]
    precondition(size % values.count == 0, "\(values.count) values into \(shape)")
    withMutableElements { x in
      for start in stride(from: x.count - size, to: x.count, by: values.count) {
        for index in values.indices { x[start + index] = values[index] }
      }
    }
  }
}
