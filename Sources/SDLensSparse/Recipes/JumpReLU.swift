import Foundation
import SDLensCore

/// Every pre-activation above a threshold of its feature, which is learnt: `s = z · [z > θ]`, `θ ≥ 0`.
///
/// Beside the reconstruction the loss has `(L0 ∕ k − 1)²`, or `λ · L0`; L0 is the mean number of active features. What has
/// no derivative passes through a rectangle of width ε, with `K = [|z − θ| < ε/2]`: `∂s/∂θ = −(θ/ε) K` and
/// `∂[z > θ]/∂θ = −(1/ε) K`. Behind a step a threshold below 0 becomes 0.
///
/// Thresholds begin where about k features of an untrained dictionary are active, and move by ten times the learning rate in
/// units of the vectors' deviation: in some thousand steps they must come to several deviations.
///
/// Source: Rajamanoharan et al., "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders",
/// 2024; thresholds as SAELens has them.
enum JumpReLU: Recipe {
  static let name = "jumprelu"
  static let summary = "those above a threshold for each feature, which is learnt, k of them on average"
  static let ownSettings: Set<String> = ["l0Penalty", "bandwidth"]

  /// ε, where the settings name none, over the deviation of the vectors.
  static let bandwidth = 0.05

  static func selection(_ settings: TrainingSettings, deviation: Float) -> Selection {
    // Of uniform weights in ±1/√width the pre-activations have the deviation of the vectors over √3.
    let share = Double(settings.k) / Double(settings.features)
    let start = normalQuantile(above: share) / 3.0.squareRoot() * Double(deviation)
    return .threshold(Array(repeating: Float(max(start, 0)), count: settings.features))
  }

  /// The number above which a share of normal numbers lie, at most 10.
  private static func normalQuantile(above share: Double) -> Double {
    var (low, high) = (-10.0, 10.0)
    for _ in 0..<50 {
      let middle = (low + high) / 2
      if erfc(middle / 2.0.squareRoot()) / 2 > share { low = middle } else { high = middle }
    }
    return low
  }

  static func rate(of parameter: String, deviation: Float) -> Double {
    parameter == "threshold" ? 10 * Double(deviation) : 1
  }

  static func check(_ settings: TrainingSettings) throws {
    try settings.require("bandwidth", settings.bandwidth ?? bandwidth, "above 0 and at most 1000000") {
      $0 > 0 && $0 <= 1e6
    }
    try settings.require("l0Penalty", settings.l0Penalty ?? 1, "above 0 and at most 1000000") {
      $0 > 0 && $0 <= 1e6
    }
  }

  private static func width(_ batch: Batch) -> Float {
    Float(batch.settings.bandwidth ?? bandwidth) * batch.deviation
  }

  private static func thresholds(_ batch: Batch) -> [Float] {
    batch.autoencoder.parameters.threshold!.elements.map { max($0, 0) }
  }

  static func choose(_ batch: inout Batch) -> Batch.Choice {
    let (thresholds, half) = (thresholds(batch), width(batch) / 2)
    let found = batch.screen.entries(above: thresholds.map { $0 - half }, &batch.times)
    return batch.times.measure(\.selection) {
      func codes(_ holds: (Float, _ threshold: Float) -> Bool, marked: Bool = false) -> Codes {
        Codes(
          rows: found.map { row in
            row.filter { holds($0.value, thresholds[Int($0.feature)]) }
              .map { (feature: $0.feature, value: marked ? 1 : $0.value) }
          })
      }
      return Batch.Choice(
        codes: codes { $0 > $1 }, nearThreshold: codes({ abs($0 - $1) < half }, marked: true))
    }
  }

  static func derive(_ batch: inout Batch, _ choice: Batch.Choice) -> Batch.Loss {
    var loss = batch.reconstruction(choice)
    let (rows, wanted) = (Double(choice.codes.rows), Double(batch.settings.k))
    let l0 = Double(choice.codes.count) / rows
    let penalty: (value: Double, slope: Double) =
      batch.settings.l0Penalty.map { ($0 * l0, $0) }
      ?? ((l0 / wanted - 1) * (l0 / wanted - 1), 2 * (l0 / wanted - 1) / wanted)
    let (thresholds, width) = (thresholds(batch), Double(width(batch)))
    var gradient = [Double](repeating: 0, count: thresholds.count)
    for (feature, slope) in zip(choice.nearThreshold!.indices, loss.residual.nearSlopes) {
      let (threshold, slope) = (Double(thresholds[Int(feature)]), Double(slope))
      gradient[Int(feature)] += (loss.parts[0].factor * slope * threshold - penalty.slope / rows) / width
    }
    loss.value += penalty.value
    loss.threshold = Tensor(gradient.map { Float($0) }, [gradient.count])
    return loss
  }

  static func settle(_ autoencoder: inout SparseAutoencoder) {
    guard case .threshold(let thresholds) = autoencoder.selection else { return }
    autoencoder.selection = .threshold(thresholds.map { max($0, 0) })
  }
}
