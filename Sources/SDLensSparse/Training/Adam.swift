import CKernels
import Foundation
import SDLensCore

/// The optimizer: means of the gradient and of its square, and the step that follows from them.
///
/// `m += (g − m)(1 − β₁)`, `v = β₂ v + (1 − β₂) g²`, `p −= η/(1 − β₁ᵗ) · m ∕ (√v/√(1 − β₂ᵗ) + ε)`, in the order of
/// `torch.optim.Adam`. Source: Kingma and Ba, "Adam", 2015.
struct Adam {
  /// `m`.
  var mean: Gradient
  /// `v`.
  var square: Gradient

  /// Before the first step.
  init(for sae: SparseAutoencoder) {
    mean = Gradient(zeros: sae.parameters)
    square = mean
  }

  /// As another run left it.
  init(mean: Gradient, square: Gradient) { (self.mean, self.square) = (mean, square) }

  /// Moves all parameters of a dictionary and brings its directions back to length 1.
  ///
  /// - Parameters:
  ///   - scale: what the gradient is multiplied by first.
  ///   - rate: the learning rate of a parameter.
  ///   - step: counted from 1.
  ///   - features: the rows of the matrices that each rank moves; it gets the others moved, but not their means.
  mutating func move(
    _ sae: inout SparseAutoencoder, against gradient: Gradient, scale: Double,
    rate: (_ parameter: String) -> Double,
    step: Int,
    settings: TrainingSettings, _ features: Shares
  ) {
    func constants(_ parameter: String) -> kernel_adam_step {
      kernel_adam_step(
        gradient_scale: Float(scale), mean_weight: Float(1 - settings.beta1),
        square_decay: Float(settings.beta2), square_weight: Float(1 - settings.beta2),
        square_correction: Float((1 - pow(settings.beta2, Double(step))).squareRoot()),
        rate: Float(rate(parameter) / (1 - pow(settings.beta1, Double(step)))),
        epsilon: Float(settings.epsilon))
    }
    for index in sae.parameters.list.indices {
      let name = sae.parameters.list[index].name
      guard name != settings.freeze?.rawValue else { continue }
      let isMatrix = Self.matrices.contains(index)
      sae.parameters.update(index) { p in
        mean.update(index) { mean in
          square.update(index) { square in
            Self.move(
              &p, &mean, &square, gradient.list[index].tensor, constants(name),
              isMatrix ? features.own : 0..<p.rows, normalizing: name == "decoder")
          }
        }
        if isMatrix { features.gather(&p) }
      }
    }
  }

  /// Encoder and decoder, the first of the parameters.
  private static let matrices = 0..<2

  /// Gets the rows of the means that other ranks have.
  mutating func gather(_ features: Shares) {
    for index in Self.matrices {
      mean.update(index) { features.gather(&$0) }
      square.update(index) { features.gather(&$0) }
    }
  }

  private static func move(
    _ p: inout Tensor, _ mean: inout Tensor, _ square: inout Tensor, _ gradient: Tensor,
    _ constants: kernel_adam_step, _ rows: Range<Int>, normalizing: Bool
  ) {
    let width = p.width
    p.withMutableElements { p in
      mean.withMutableElements { mean in
        square.withMutableElements { square in
          let (p, mean, square) = (
            p.baseAddress!, mean.baseAddress!, square.baseAddress!
          )
          gradient.withElements { gradient in
            // Disjoint: each range has its own rows. A row is normalised while it is in the cache.
            Parallel.forRanges(rows.count, grain: 8) { range in
              withUnsafePointer(to: constants) { constants in
                for start in range.map({ (rows.lowerBound + $0) * width }) {
                  kernel_adam(
                    p + start, mean + start, square + start, gradient.baseAddress! + start, width, constants)
                  if normalizing { Tensor.normalize(p + start, width) }
                }
              }
            }
          }
        }
      }
    }
  }
}
