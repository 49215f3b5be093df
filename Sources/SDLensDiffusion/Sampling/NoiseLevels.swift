import Foundation
import SDLensCore

/// How much noise a sample holds at each training step: `σ(t) = √((1 - ᾱ) / ᾱ)`, ᾱ = Π (1 - β) up to t.
///
/// Computed as diffusers does, in float32 where it does, so that the last digit agrees.
struct NoiseLevels {
  /// σ of training step 0, 1, ….
  let sigmas: [Float]
  /// ᾱ of training step 0, 1, …: how much of the variance is the picture's.
  let signals: [Float]

  /// What the keys stand for where they are absent.
  struct Defaults {
    var start = 0.0001
    var end = 0.02
    var schedule = BetaSchedule.linear
    /// Whether the sampler has `rescale_betas_zero_snr` at all.
    var mayRescale = true

    /// Those that Stable Diffusion and SDXL were trained with.
    static let stableDiffusion = Defaults(start: 0.00085, end: 0.012, schedule: .scaledLinear)
  }

  enum BetaSchedule: String, CaseIterable {
    case linear
    case scaledLinear = "scaled_linear"
    case squaredCosine = "squaredcos_cap_v2"
  }

  /// Reads `num_train_timesteps`, `beta_start`, `beta_end`, `beta_schedule`, `rescale_betas_zero_snr`.
  init(_ config: ConfigFile, _ defaults: Defaults = Defaults()) throws {
    let count = try config.int("num_train_timesteps", in: 2...1_000_000, default: 1000)
    let start = try config.double("beta_start", in: 0...0.999, default: defaults.start)
    let end = try config.double("beta_end", in: 0...0.999, default: defaults.end)
    try config.require("trained_betas", .null)
    var betas: [Float] =
      switch try config.choice("beta_schedule", default: defaults.schedule) {
      case .linear: Self.line(start, end, count)
      case .scaledLinear: Self.line(start.squareRoot(), end.squareRoot(), count).map { $0 * $0 }
      case .squaredCosine: Self.squaredCosine(count)
      }
    let rescale = try defaults.mayRescale && config.bool("rescale_betas_zero_snr", default: false)
    if rescale { betas = Self.withoutFinalSignal(betas) }
    var signals = Self.signals(betas)
    self.signals = signals
    // Nearly no signal instead of none, for a finite σ.
    if rescale { signals[count - 1] = 0x1p-24 }
    sigmas = signals.map { ((1 - $0) / $0).squareRoot() }
  }

  /// `torch.linspace` in float32: counted from the nearer end, multiplied and added in one rounding.
  private static func line(_ start: Double, _ end: Double, _ count: Int) -> [Float] {
    let (start, end) = (Float(start), Float(end))
    let step = (end - start) / Float(count - 1)
    return (0..<count).map {
      $0 < count / 2
        ? start.addingProduct(step, Float($0)) : end.addingProduct(-step, Float(count - 1 - $0))
    }
  }

  /// `β = 1 - a(t + 1) / a(t)`, at most 0.999, `a(t) = cos²(π/2 (t / count + 0.008) / 1.008)`.
  private static func squaredCosine(_ count: Int) -> [Float] {
    func signal(_ step: Int) -> Double {
      let angle = cos((Double(step) / Double(count) + 0.008) / 1.008 * .pi / 2)
      return angle * angle
    }
    return (0..<count).map { Float(min(1 - signal($0 + 1) / signal($0), 0.999)) }
  }

  /// ᾱ of every step; PyTorch multiplies in double precision and rounds each result.
  private static func signals(_ betas: [Float]) -> [Float] {
    var product = 1.0
    return betas.map {
      product *= Double(1 - $0)
      return Float(product)
    }
  }

  /// The betas shifted and scaled so that the last step holds no signal and the first as much as before
  /// (arXiv 2305.08891, algorithm 1).
  private static func withoutFinalSignal(_ betas: [Float]) -> [Float] {
    let roots = signals(betas).map { $0.squareRoot() }
    let (first, last) = (roots[0], roots[roots.count - 1])
    let signals = roots.map {
      let root = ($0 - last) * (first / (first - last))
      return root * root
    }
    return signals.indices.map { 1 - ($0 == 0 ? signals[0] : signals[$0] / signals[$0 - 1]) }
  }

  /// σ between the training steps, by linear interpolation; beyond the ends, that of the end.
  func sigma(at timestep: Float) -> Float {
    let place = min(max(Double(timestep), 0), Double(sigmas.count - 1))
    let below = min(Int(place), sigmas.count - 2)
    let slope = Double(sigmas[below + 1]) - Double(sigmas[below])
    return Float(slope * (place - Double(below)) + Double(sigmas[below]))
  }
}
