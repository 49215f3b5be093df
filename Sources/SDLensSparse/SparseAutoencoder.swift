import CKernels
import SDLensCore

/// A sparse autoencoder: a dictionary of directions, of which few explain a vector.
///
/// Pre-activations `z = W_enc (h − b_pre) + b_act`; codes `s`, those of `z` that the selection takes, if above 0, else 0
/// (with TopK, paper, eq. 16; with thresholds `s = z · [z > max(θ, 0)]`); `h' = W_dec s + b_pre` (eq. 3).
/// TopK is taken on signed values, so fewer than k features may be active.
public struct SparseAutoencoder: Sendable {
  /// All its numbers.
  public internal(set) var parameters: Parameters
  /// How many features may be active in a vector; nil where thresholds decide.
  public private(set) var k: Int?

  /// Which features are active.
  public var selection: Selection {
    get { k.map { .topK($0) } ?? .threshold(parameters.threshold!.elements) }
    set {
      switch newValue {
      case .topK(let k):
        precondition(1...features ~= k, "k is \(k) of \(features)")
        (self.k, parameters.threshold) = (k, nil)
      case .threshold(let thresholds):
        precondition(thresholds.count == features, "\(thresholds.count) thresholds of \(features)")
        (k, parameters.threshold) = (nil, Tensor(thresholds, [features]))
      }
    }
  }

  /// `W_enc`, [features, width].
  public var encoder: Tensor {
    get { parameters.encoder }
    _modify { yield &parameters.encoder }
  }
  /// `W_decᵀ`, [features, width]: row ρ is the direction `f_ρ`.
  public var decoder: Tensor {
    get { parameters.decoder }
    _modify { yield &parameters.decoder }
  }
  /// `b_pre`, [width].
  public var preBias: Tensor {
    get { parameters.preBias }
    _modify { yield &parameters.preBias }
  }
  /// `b_act`, [features].
  public var latentBias: Tensor {
    get { parameters.latentBias }
    _modify { yield &parameters.latentBias }
  }

  /// The width of the vectors.
  public var width: Int { encoder.shape[1] }
  /// The size of the dictionary.
  public var features: Int { encoder.shape[0] }

  /// Takes the parts; their shapes must agree, and the selection be possible.
  public init(
    _ selection: Selection, encoder: Tensor, decoder: Tensor, preBias: Tensor, latentBias: Tensor
  ) {
    parameters = Parameters(encoder: encoder, decoder: decoder, latentBias: latentBias, preBias: preBias)
    precondition(decoder.shape == encoder.shape, "\(encoder.shape) against \(decoder.shape)")
    precondition(preBias.shape == [width] && latentBias.shape == [features])
    self.selection = selection
  }

  /// All numbers as given; thresholds are taken from them, and those of the selection not looked at.
  init(_ parameters: Parameters, _ selection: Selection) {
    self.parameters = parameters
    if case .topK(let k) = selection { self.k = k }
    precondition((k == nil) == (parameters.threshold != nil), "\(selection)")
  }

  /// One of TopK.
  public init(k: Int, encoder: Tensor, decoder: Tensor, preBias: Tensor, latentBias: Tensor) {
    self.init(
      .topK(k), encoder: encoder, decoder: decoder, preBias: preBias, latentBias: latentBias)
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

  /// The codes of vectors `h`, whose last axis is `width`; in each row the largest first, of equal ones the first.
  public func encode(_ h: Tensor) -> Codes {
    let h = h.reshaped([h.rows, width])
    let selection = selection
    // A piece at a time: the pre-activations of all rows would be many times larger than the rows.
    return Codes(
      joining: stride(from: 0, to: h.rows, by: Self.rowsAtOnce).map { start in
        Codes(
          of: preActivations(h.rows(start..<min(h.rows, start + Self.rowsAtOnce))), selection)
      })
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
            kernel_add_rows(target, indices.baseAddress, values.baseAddress, values.count, decoder, width)
          }
        }
      }
    }
    return result
  }

  private static let rowsAtOnce = 1024
}
