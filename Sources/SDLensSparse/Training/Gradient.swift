import CKernels
import SDLensCore

/// One number for every parameter of a dictionary: its gradient, or a mean that Adam keeps.
package typealias Gradient = Parameters

extension Gradient {
  /// One of the sums that the gradient consists of: that of a reconstruction or of the auxiliary loss.
  struct Part {
    /// The features that may be active.
    let features: [Int32]
    let residual: Residual
    /// The derivative of the loss by a reconstruction is `−factor · residual`.
    let factor: Double
    /// Whether no part before this one is of the same features.
    var isFirst = false
    /// Whether the reconstruction has `b_pre` added that no other part counts.
    var addsToBias = true

    /// The activations, [rows, all]; `all` features there are.
    func activations(of all: Int) -> Tensor {
      var result = Tensor([residual.rows.rows, all])
      for block in residual.entries {
        for (place, feature) in features.enumerated() {
          for entry in Int(block.starts[place])..<Int(block.starts[place + 1]) {
            result[Int(block.rows[entry]) * all + Int(feature)] = block.values[entry]
          }
        }
      }
      return result
    }
  }

  /// The gradient of a loss of which `parts` tell, at the vectors `x = h − b_pre` [rows, width].
  ///
  /// With `c` a part's factor, `r` its residual, `s` its codes and `t_ij = r_i · f_j` where `s_ij > 0`:
  /// `∂f_j = −c Σ_i s_ij r_i`, `∂w_j = −c Σ_i t_ij x_i`, `∂b_act,j = −c Σ_i t_ij`, and
  /// `∂b_pre = −c Σ_i r_i − Σ_j ∂b_act,j w_j`. Those of the parts that are the first of their features must name all.
  ///
  /// Of the matrices only the rows of the `features` that this rank has are set.
  init(of parts: [Part], at x: StripedMatrix, _ sae: SparseAutoencoder, _ features: Shares) {
    self.init(
      encoder: Tensor(uninitialized: sae.encoder.shape), decoder: Tensor(uninitialized: sae.decoder.shape),
      latentBias: Tensor(sae.latentBias.shape), preBias: Tensor(sae.preBias.shape),
      threshold: sae.parameters.threshold.map { Tensor($0.shape) })
    for part in parts { add(part, at: x, features.own) }
    addEncoded(sae.encoder)
  }

  private static let columnsAtOnce = 256
  private static let featuresAtOnce = 256

  /// Adds a part; the first of some features sets all their elements.
  private mutating func add(_ part: Part, at x: StripedMatrix, _ own: Range<Int>) {
    let (width, factor) = (encoder.shape[1], Float(part.factor))
    let (features, blocks, rows) = (part.features, part.residual.entries, part.residual.rows.rows)
    if part.addsToBias {
      for column in 0..<width { preBias[column] -= Float(part.factor * part.residual.moments.sums[column]) }
    }
    latentBias.withMutableElements { bias in
      let bias = bias.baseAddress!
      Parallel.forRanges(features.count, grain: 16) { range in
        for place in range {
          var sum: Float = 0
          for block in blocks {
            for entry in block.starts[place]..<block.starts[place + 1] { sum += block.slopes[Int(entry)] }
          }
          bias[Int(features[place])] -= factor * sum
        }
      }
    }

    // The features come in order.
    func place(of feature: Int) -> Int { features.firstIndex { $0 >= feature } ?? features.count }
    let places = place(of: own.lowerBound)..<place(of: own.upperBound)
    let groups = (places.count + Self.featuresAtOnce - 1) / Self.featuresAtOnce
    updateMatrices { encoder, decoder in
      encoder.withMutableElements { encoder in
        decoder.withMutableElements { decoder in
          let (encoder, decoder) = (encoder.baseAddress!, decoder.baseAddress!)
          x.withElements { x in
            part.residual.rows.withElements { residual in
              // Disjoint: each piece has its own features and strip of one of the two matrices. Every element is
              // summed by one thread in the order of the rows.
              Parallel.forEach(StripedMatrix.count(width), 2, groups) { strip, matrix, group in
                let ofDecoder = matrix == 0
                let first = places.lowerBound + group * Self.featuresAtOnce
                let count = min(Self.featuresAtOnce, places.upperBound - first)
                let column = strip * StripedMatrix.columns
                let from = (ofDecoder ? residual : x) + column * rows
                // Of their own, side by side: in the matrices they may fall on the same lines of the caches.
                var sums = [Float](repeating: 0, count: count * StripedMatrix.columns)
                for block in blocks {
                  block.starts.withUnsafeBufferPointer { starts in
                    kernel_sparse_product(
                      &sums, true, 1, starts.baseAddress! + first, count, block.rows,
                      ofDecoder ? block.values : block.slopes, from)
                  }
                }
                features.withUnsafeBufferPointer { features in
                  kernel_scatter_strip(
                    (ofDecoder ? decoder : encoder) + column, features.baseAddress! + first, width,
                    min(StripedMatrix.columns, width - column), !part.isFirst, -factor, sums, count)
                }
              }
            }
          }
        }
      }
    }
  }

  /// What `b_pre` gets through the encoder, `−Σ_j ∂b_act,j w_j`.
  private mutating func addEncoded(_ weights: Tensor) {
    let (features, width) = (weights.shape[0], weights.shape[1])
    let (all, slopes) = ((0..<Int32(features)).map { $0 }, latentBias)
    preBias.withMutableElements { bias in
      let bias = bias.baseAddress!
      Tensor.withElements(slopes, weights) { slopes, weights in
        // Disjoint: each panel has its own columns.
        Parallel.forEach((width + Self.columnsAtOnce - 1) / Self.columnsAtOnce) { panel in
          let column = panel * Self.columnsAtOnce
          kernel_weighted_sum(
            bias + column, bias + column, -1, all, slopes, features, weights + column, width,
            min(Self.columnsAtOnce, width - column))
        }
      }
    }
  }
}

extension Gradient {
  /// Leaves nothing of a parameter.
  mutating func clear(_ name: String) {
    guard let index = list.firstIndex(where: { $0.name == name }) else { return }
    update(index) { $0 = Tensor($0.shape) }
  }

  /// Removes what would only change the lengths of the directions, `∂f_j ← ∂f_j − (∂f_j · f_j) f_j`, and
  /// returns the norm of all that is left, of all parameters together.
  ///
  /// - Parameter shares: the features whose rows each rank has; nil where one has all.
  package mutating func project(awayFrom directions: Tensor, _ shares: Shares? = nil) -> Double {
    let (features, width) = (decoder.shape[0], decoder.shape[1])
    let shares = shares ?? Shares(features, among: Alone())
    var squares = [Float](repeating: 0, count: 2 * features)
    squares.withUnsafeMutableBufferPointer { squares in
      Tensor.withElements(encoder, directions) { encoder, directions in
        // The squares of a feature are written with its row.
        decoder.updateRows(shares.own, grain: 16) { decoder, range in
          for (index, feature) in range.enumerated() {
            let (g, f) = (decoder + index * width, directions + feature * width)
            kernel_add_scaled(g, -kernel_dot(g, f, width), f, width)
            let other = encoder + feature * width
            squares[2 * feature] = kernel_dot(g, g, width)
            squares[2 * feature + 1] = kernel_dot(other, other, width)
          }
        }
      }
      shares.gather(squares.baseAddress!, width: 2)
    }
    let others = [latentBias, preBias, threshold].compactMap(\.self).map { tensor in
      tensor.withElements { $0.reduce(0) { $0 + Double($1) * Double($1) } }
    }
    return others.reduce(squares.reduce(0) { $0 + Double($1) }, +).squareRoot()
  }
}
