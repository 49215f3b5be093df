import CKernels
import SDLensCore

/// A TopK sparse autoencoder: a dictionary of directions, of which k explain a vector.
///
/// `s = ReLU(TopK_k(W_enc (h − b_pre) + b_act))` (paper, eq. 16), `h' = W_dec s + b_pre` (eq. 3).
/// TopK is taken on signed values, so fewer than k features may be active.
public struct SparseAutoencoder: Sendable {
  /// How many features may be active in a vector.
  public var k: Int
  /// `W_enc`, [features, width].
  public var encoder: Tensor
  /// `W_decᵀ`, [features, width]: row ρ is the direction `f_ρ`.
  public var decoder: Tensor
  /// `b_pre`, [width].
  public var preBias: Tensor
  /// `b_act`, [features].
  public var latentBias: Tensor

  /// The width of the vectors.
  public var width: Int { encoder.shape[1] }
  /// The size of the dictionary.
  public var features: Int { encoder.shape[0] }

  /// Takes the parts; their shapes must agree and `k` be in `1...features`.
  public init(k: Int, encoder: Tensor, decoder: Tensor, preBias: Tensor, latentBias: Tensor) {
    (self.k, self.encoder, self.decoder) = (k, encoder, decoder)
    (self.preBias, self.latentBias) = (preBias, latentBias)
    precondition(decoder.shape == encoder.shape, "\(encoder.shape) against \(decoder.shape)")
    precondition(preBias.shape == [width] && latentBias.shape == [features])
    precondition(1...features ~= k, "k is \(k) of \(features)")
  }

  /// `h − b_pre` for every row of `h` [rows, width].
  public func centered(_ h: Tensor) -> Tensor {
    precondition(h.width == width, "\(h.shape) into a dictionary of width \(width)")
    var result = Tensor(uninitialized: [h.rows, width])
    preBias.withElements { bias in
      result.updateRows(reading: h, grain: max(1, (1 << 14) / width)) { y, x, rows in
        kernel_subtract_row(y, x, bias.baseAddress!, rows.count, width)
      }
    }
    return result
  }

  /// `W_enc (h − b_pre) + b_act`, [rows, features].
  public func preActivations(_ h: Tensor) -> Tensor {
    Linear(weight: WeightMatrix(encoder), bias: latentBias)(centered(h))
  }

  /// The codes of vectors `h`, whose last axis is `width`.
  public func encode(_ h: Tensor) -> Codes {
    let h = h.reshaped([h.rows, width])
    var codes = Codes(rows: h.rows, slots: k)
    // A piece at a time: the pre-activations of all rows would be many times larger than the rows.
    for start in stride(from: 0, to: h.rows, by: Self.rowsAtOnce) {
      let rows = start..<min(h.rows, start + Self.rowsAtOnce)
      codes.keepLargest(of: preActivations(h.rows(rows)), from: start)
    }
    return codes
  }

  /// `W_dec s + b_pre`, [rows, width].
  public func decode(_ codes: Codes) -> Tensor {
    var result = Tensor(uninitialized: [codes.rows, width])
    Tensor.withElements(preBias, decoder) { bias, decoder in
      result.updateRows(grain: 16) { y, rows in
        for (index, row) in rows.enumerated() {
          let target = y + index * width
          target.update(from: bias, count: width)
          codes.withRow(row) { indices, values in
            kernel_add_rows(target, indices, values, codes.slots, decoder, width)
          }
        }
      }
    }
    return result
  }

  private static let rowsAtOnce = 1024
}
