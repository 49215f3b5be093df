import CKernels
import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// The gradient against differences of the loss, which is written down anew in double precision.
@Suite struct GradientTests {
  private static let (rows, width, features, k) = (24, 6, 14, 3)

  private struct Parameters {
    var encoder: [Double]
    var decoder: [Double]
    var latentBias: [Double]
    var preBias: [Double]
  }

  private func parameters(_ sae: SparseAutoencoder) -> Parameters {
    func doubles(_ tensor: Tensor) -> [Double] { tensor.elements.map(Double.init) }
    return Parameters(
      encoder: doubles(sae.encoder), decoder: doubles(sae.decoder), latentBias: doubles(sae.latentBias),
      preBias: doubles(sae.preBias))
  }

  /// The loss with the choice of features, the target of the auxiliary term and its variance held fast.
  private func loss(
    _ p: Parameters, _ h: Tensor, _ codes: Tensor, _ auxiliary: Tensor, target: [Double], variance: Double,
    mseScale: Double, alpha: Double
  ) -> Double {
    let (rows, width) = (Self.rows, Self.width)
    func reconstruction(_ codes: Tensor, _ row: Int) -> [Double] {
      var sum = p.preBias
      for feature in 0..<Self.features where codes[row * Self.features + feature] > 0 {
        let value = (0..<width).reduce(p.latentBias[feature]) {
          $0 + p.encoder[feature * width + $1] * (Double(h[row * width + $1]) - p.preBias[$1])
        }
        for c in 0..<width { sum[c] += value * p.decoder[feature * width + c] }
      }
      return sum
    }
    var (mse, rest) = (0.0, 0.0)
    for row in 0..<rows {
      let (first, second) = (reconstruction(codes, row), reconstruction(auxiliary, row))
      for c in 0..<width {
        mse += pow(first[c] - Double(h[row * width + c]), 2)
        rest += pow(second[c] - target[row * width + c], 2)
      }
    }
    return mseScale * mse / Double(rows * width) + alpha * rest / variance
  }

  @Test func differencesOfTheLoss() throws {
    let (rows, width, features, k) = (Self.rows, Self.width, Self.features, Self.k)
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.auxiliaryK, settings.deadAfter) = (features, k, 2, 1000)
    settings.auxiliaryScale = 0.5
    let sae = SparseAutoencoder(
      k: k, encoder: .random([features, width], seed: 1), decoder: .random([features, width], seed: 2),
      preBias: .random([width], seed: 3), latentBias: .random([features], seed: 4, scale: 0.1))
    var dead = [Int64](repeating: 0, count: features)
    for feature in [2, 5, 7, 11] { dead[feature] = 1000 }
    var state = DictionaryState(
      settings, autoencoder: sae, mseScale: 0.6, idle: dead)
    // Dead: never among the k largest, yet of both signs.
    for feature in [2, 5, 7, 11] {
      for c in 0..<width { state.autoencoder.encoder[feature * width + c] *= 0.05 }
      state.autoencoder.latentBias[feature] = 0.01
    }
    let h = Tensor.random([rows, width], seed: 5, scale: 2)
    let derivative = state.derive(h)
    let auxiliary = try #require(derivative.auxiliaryActivations)
    #expect(auxiliary.elements.count { $0 > 0 } > 10)
    var codes = Tensor([rows, features])
    derivative.codes.forEachActive { codes[$0 * features + $1] = $2 }

    let p = parameters(state.autoencoder)
    let decoded = state.autoencoder.decode(derivative.codes)
    let target = (0..<rows * width).map {
      Double(h[$0]) - Double(decoded[$0]) + p.preBias[$0 % width]
    }
    let means = (0..<width).map { c in (0..<rows).reduce(0) { $0 + target[$1 * width + c] } / Double(rows) }
    let variance = (0..<rows * width).reduce(0) { $0 + pow(target[$1] - means[$1 % width], 2) }
    func value(_ p: Parameters) -> Double {
      loss(
        p, h, codes, auxiliary, target: target, variance: variance, mseScale: 0.6,
        alpha: settings.auxiliaryScale)
    }
    #expect(abs(value(p) - derivative.loss) < 1e-5 * derivative.loss)
    let step = 1e-4
    func check(_ path: WritableKeyPath<Parameters, [Double]>, _ found: Tensor, _ name: String) {
      let differences = (0..<found.count).map { index in
        var (up, down) = (p, p)
        up[keyPath: path][index] += step
        down[keyPath: path][index] -= step
        return Float((value(up) - value(down)) / (2 * step))
      }
      expectClose(found, Tensor(differences, found.shape), within: 1e-5, name)
    }
    let gradient = derivative.gradient
    check(\.encoder, gradient.encoder, "encoder")
    check(\.decoder, gradient.decoder, "decoder")
    check(\.latentBias, gradient.latentBias, "latent bias")
    check(\.preBias, gradient.preBias, "pre bias")
  }

  @Test func projectionLeavesNothingAlongTheDirections() {
    let sae = SparseAutoencoder(untrained: 20, k: 2, seed: 1, preBias: Tensor([33]))
    var gradient = Gradient(
      encoder: .random([20, 33], seed: 1), decoder: .random([20, 33], seed: 2),
      latentBias: .random([20], seed: 3), preBias: .random([33], seed: 4))
    let norm = gradient.project(awayFrom: sae.decoder)
    for feature in 0..<20 {
      let along = (0..<33).reduce(Float(0)) {
        $0 + gradient.decoder[feature * 33 + $1] * sae.decoder[feature * 33 + $1]
      }
      #expect(abs(along) < 1e-5)
    }
    let all = [gradient.encoder, gradient.decoder, gradient.latentBias, gradient.preBias]
    let wanted = all.flatMap(\.elements).reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    #expect(abs(norm - wanted) < 1e-5 * wanted)
  }
}
