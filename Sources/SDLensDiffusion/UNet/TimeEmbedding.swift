import Foundation
import SDLensCore

/// Two linear layers around SiLU (diffusers: TimestepEmbedding).
struct EmbeddingNetwork: Sendable {
  let first: Linear
  let second: Linear

  init(_ w: WeightScope, inputs: Int, outputs: Int) throws {
    first = try Linear(w["linear_1"], inputs: inputs, outputs: outputs)
    second = try Linear(w["linear_2"], inputs: outputs, outputs: outputs)
  }

  /// [batch, inputs] → [batch, outputs].
  func callAsFunction(_ x: Tensor) -> Tensor {
    var h = first(x)
    h.apply(.silu)
    return second(h)
  }
}

/// What the U-net knows besides the latents: the time step and, in SDXL, the pooled prompt, sizes and crops.
package struct TimeEmbedding: Sendable {
  let time: EmbeddingNetwork
  /// Nil where it knows the time step alone.
  let addition: EmbeddingNetwork?
  let timeWidth: Int
  let additionWidth: Int

  init(_ w: WeightScope, config: UNetConfig) throws {
    timeWidth = config.widths[0]
    additionWidth = config.additionTimeWidth
    time = try EmbeddingNetwork(w["time_embedding"], inputs: timeWidth, outputs: config.embeddingWidth)
    addition =
      config.additionInputs == 0
      ? nil
      : try EmbeddingNetwork(
        w["add_embedding"], inputs: config.additionInputs, outputs: config.embeddingWidth)
  }

  /// Time step, pooled prompt [batch, p] and six time ids, for all pictures or for each → [batch, 4 · widths[0]].
  func callAsFunction(timestep: Double, pooled: Tensor, timeIDs: [Float]) -> Tensor {
    let batch = pooled.shape[0]
    let steps = Tensor(
      (0..<batch).flatMap { _ in Self.sinusoids(timestep, width: timeWidth) }, [batch, timeWidth])
    guard let addition else { return time(steps) }
    precondition([6, 6 * batch].contains(timeIDs.count), "\(timeIDs.count) time ids for \(batch) pictures")
    let ids = timeIDs.flatMap { Self.sinusoids(Double($0), width: additionWidth) }
    let copies = 6 * batch / timeIDs.count
    let sizes = Tensor((0..<copies).flatMap { _ in ids }, [batch, 6 * additionWidth])
    return time(steps) + addition(.concatenated(pooled, sizes))
  }

  /// `[cos(t f_i)…, sin(t f_i)…]` with `f_i = 10000^(−i / half)` (diffusers: flip_sin_to_cos, freq_shift 0).
  package static func sinusoids(_ t: Double, width: Int) -> [Float] {
    let half = width / 2
    let angles = (0..<half).map { i in
      // Frequencies and angles are rounded to float32 where PyTorch rounds them.
      Float(t) * exp(-Float(log(10000.0)) * Float(i) / Float(half))
    }
    return angles.map { cos($0) } + angles.map { sin($0) }
  }
}
