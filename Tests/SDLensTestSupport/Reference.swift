import Foundation
import SDLensCore

/// The layers as plain loops over their formulas, summed in double precision.
public enum Reference {
  /// `y[r][o] = Σ_i x[r][i] w[o][i] + bias[o]`.
  public static func product(_ x: Tensor, _ w: Tensor, bias: Tensor? = nil) -> Tensor {
    let (inputs, outputs) = (x.width, w.shape[0])
    let values = (0..<x.rows * outputs).map { place in
      let (row, output) = (place / outputs, place % outputs)
      var sum = Double(bias?[output] ?? 0)
      for i in 0..<inputs { sum += Double(x[row * inputs + i]) * Double(w[output * inputs + i]) }
      return Float(sum)
    }
    return Tensor(values, Shape(x.shape.extents.dropLast() + [outputs]))
  }

  /// `y[v][u][o] = Σ x[v · stride + j - p][u · stride + i - p][c] w[o][c][j][i] + bias[o]`, zero outside; the
  /// padding p is k/2 unless told otherwise.
  ///
  /// `x` [batch, height, width, channels], `w` [outputs, channels, k, k].
  public static func convolution(_ x: Tensor, _ w: Tensor, bias: Tensor, stride: Int = 1, padding: Int? = nil)
    -> Tensor
  {
    let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (outputs, k) = (w.shape[0], w.shape[2])
    let padding = padding ?? k / 2
    let (tall, wide) = ((height + 2 * padding - k) / stride + 1, (width + 2 * padding - k) / stride + 1)
    var y = Tensor(uninitialized: [batch, tall, wide, outputs])
    y.withMutableElements { y in
      x.withElements { x in
        w.withElements { w in
          for place in 0..<batch * tall * wide {
            let (picture, v, u) = (place / (tall * wide), place / wide % tall, place % wide)
            for o in 0..<outputs {
              var sum = Double(bias[o])
              for j in 0..<k {
                let line = v * stride + j - padding
                for i in 0..<k where line >= 0 && line < height {
                  let column = u * stride + i - padding
                  guard column >= 0, column < width else { continue }
                  let pixel = ((picture * height + line) * width + column) * channels
                  for c in 0..<channels {
                    sum += Double(x[pixel + c]) * Double(w[((o * channels + c) * k + j) * k + i])
                  }
                }
              }
              y[place * outputs + o] = Float(sum)
            }
          }
        }
      }
    }
    return y
  }

  /// `(x - mean) / √(variance + ε) · weight + bias` over each group of channels of each picture.
  public static func groupNorm(
    _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Double, silu: Bool = false
  ) -> Tensor {
    let channels = x.width
    let pixels = x.rows / x.shape[0]
    let size = channels / groups
    var y = x
    for picture in 0..<x.shape[0] {
      for group in 0..<groups {
        let places = (0..<pixels * size).map {
          (picture * pixels + $0 / size) * channels + group * size + $0 % size
        }
        let moments = Moments(places.map { Double(x[$0]) })
        for place in places {
          let channel = place % channels
          let normal = (Double(x[place]) - moments.mean) / (moments.variance + epsilon).squareRoot()
          let z = normal * Double(weight[channel]) + Double(bias[channel])
          y[place] = Float(silu ? Self.silu(z) : z)
        }
      }
    }
    return y
  }

  /// `(x - mean) / √(variance + ε) · weight + bias` over each vector along the last axis.
  public static func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Double) -> Tensor {
    let rows = x.rows
    return groupNorm(
      x.reshaped([rows, 1, 1, x.width]), groups: 1, weight: weight, bias: bias, epsilon: epsilon
    ).reshaped(x.shape)
  }

  private struct Moments {
    let mean: Double
    let variance: Double
    init(_ values: [Double]) {
      let mean = values.reduce(0, +) / Double(values.count)
      self.mean = mean
      variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    }
  }

  /// `softmax(q kᵀ / √d) v` for every head, and the probabilities [batch, heads, queries, keys].
  public static func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, causal: Bool = false
  ) -> (output: Tensor, probabilities: Tensor) {
    let (batch, queries, width, keys) = (q.shape[0], q.shape[1], q.shape[2], k.shape[1])
    let size = width / heads
    var output = Tensor(uninitialized: q.shape)
    var probabilities = Tensor(uninitialized: [batch, heads, queries, keys])
    for place in 0..<batch * heads * queries {
      let (picture, head, query) = (place / queries / heads, place / queries % heads, place % queries)
      let start = (picture * queries + query) * width + head * size
      let scores = (0..<(causal ? min(keys, query + 1) : keys)).map { key in
        let other = (picture * keys + key) * width + head * size
        return (0..<size).reduce(0) { $0 + Double(q[start + $1]) * Double(k[other + $1]) }
          / Double(size).squareRoot()
      }
      let shares = softmax(scores)
      for key in 0..<keys { probabilities[place * keys + key] = key < shares.count ? Float(shares[key]) : 0 }
      for i in 0..<size {
        let sum = shares.indices.reduce(0) {
          $0 + shares[$1] * Double(v[(picture * keys + $1) * width + head * size + i])
        }
        output[start + i] = Float(sum)
      }
    }
    return (output, probabilities)
  }

  /// `exp(x) / Σ exp(x)`.
  public static func softmax(_ x: [Double]) -> [Double] {
    let largest = x.max() ?? 0
    let powers = x.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  /// `x / (1 + exp(-x))`.
  public static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

  /// `x Φ(x)`, Φ the normal distribution function.
  public static func gelu(_ x: Double) -> Double { x / 2 * erfc(-x / 2.0.squareRoot()) }

  /// `x / (1 + exp(-1.702 x))`.
  public static func quickGELU(_ x: Double) -> Double { x / (1 + exp(-1.702 * x)) }

  /// `x[..., :w] · gelu(x[..., w:])`.
  public static func gatedGELU(_ x: Tensor) -> Tensor {
    let width = x.width / 2
    let values = (0..<x.rows * width).map { place in
      let start = place / width * 2 * width + place % width
      return Float(Double(x[start]) * gelu(Double(x[start + width])))
    }
    return Tensor(values, Shape(x.shape.extents.dropLast() + [width]))
  }

  /// Output pixel (v, u) is input pixel (⌊v · h / height⌋, ⌊u · w / width⌋).
  public static func nearest(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let (batch, h, w, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let values = (0..<batch * height * width * channels).map { place in
      let (picture, v, u) = (
        place / channels / width / height, place / channels / width % height, place / channels % width
      )
      return x[((picture * h + v * h / height) * w + u * w / width) * channels + place % channels]
    }
    return Tensor(values, [batch, height, width, channels])
  }
}
