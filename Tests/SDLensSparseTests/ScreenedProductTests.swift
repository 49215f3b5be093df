import CKernels
import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// The product of integers against that of the numbers it stands for, and what is chosen by it.
@Suite struct ScreenedProductTests {
  private static let (lanes, rowLanes) = (Int(KERNEL_SCREEN), Int(KERNEL_SCREEN_ROWS))

  private func dot(_ x: [Float], _ y: [Float]) -> Double {
    zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }

  @Test(arguments: [1, 2, 33, 1280]) func roundedVectors(width: Int) {
    var x = Tensor.random([width], seed: 1, scale: 1e-3).elements
    // Most of its length is in one component.
    x[width / 2] = -40
    var q = [Int16](repeating: -1, count: (width + 1) / 2 * 6)
    let unit = kernel_quantize(&q, 6, x, width)
    let found = (0..<width + width % 2).map { q[$0 / 2 * 6 + $0 % 2] }
    for i in 0..<width { #expect(abs(Double(found[i]) - Double(x[i]) / Double(unit)) <= 0.501, "\(i)") }
    #expect(found[width...].allSatisfy { $0 == 0 })
    let length = found.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    #expect(length > 31_900 && length < 32_767)
    #expect(q.indices.allSatisfy { $0 % 6 < 2 || q[$0] == -1 })
  }

  @Test(arguments: [
    (0, 0), (Float.nan, Float.infinity), (.infinity, .infinity), (1e20, .infinity), (1e-20, .infinity),
  ]) func vectorsOutOfBounds(component: Float, unit: Float) {
    var q = [Int16](repeating: -1, count: 4)
    #expect(kernel_quantize(&q, 2, [0, component, 0], 3) == unit)
    #expect(q == [0, 0, 0, 0])
  }

  /// Of vectors of many lengths, some with one large component, some that are not what they are rounded to.
  @Test(arguments: [1, 2, 7, 64, 1280]) func bounds(width: Int) {
    let (rows, outputs, pairs) = (13, 21, (width + 1) / 2)
    func vectors(_ count: Int, seed: Int) -> [[Float]] {
      (0..<count).map { index in
        var vector = Tensor.random([width], seed: seed + index).elements
        if index % 3 == 1 { vector[width / 2] *= 100 }
        // Each component is rounded the same way, as far as it goes.
        if index % 3 == 2 { vector = vector.map { $0 < 0 ? -1.00002 : 1 } }
        return vector.map { $0 * Float(pow(10, Double(index % 5 - 2))) }
      }
    }
    let (x, w) = (vectors(rows, seed: 1), vectors(outputs, seed: 100))
    let bias = Tensor.random([32], seed: 3).elements
    func rounded(_ x: [[Float]], _ lanes: Int) -> (q: [Int16], units: [Float]) {
      let groups = (x.count + lanes - 1) / lanes
      var q = [Int16](repeating: 0, count: groups * lanes * pairs * 2)
      var units = [Float](repeating: 0, count: groups * lanes)
      for (index, vector) in x.enumerated() {
        q.withUnsafeMutableBufferPointer {
          let start = index / lanes * lanes * pairs * 2 + index % lanes * 2
          units[index] = kernel_quantize($0.baseAddress! + start, 2 * lanes, vector, width)
        }
      }
      return (q, units)
    }
    let (left, right) = (rounded(x, Self.rowLanes), rounded(w, Self.lanes))
    let slack = kernel_screen_slack(width)
    #expect(slack * 1.0 / (32_000 * 32_000) < Float(width).squareRoot() / 25_000)
    var y = [Float](repeating: .nan, count: rows * 24)
    kernel_screen(&y, 24, left.q, left.units, rows, right.q, right.units, bias, outputs, pairs, slack)
    for row in 0..<rows {
      for output in 0..<outputs {
        let z = dot(x[row], w[output]) + Double(bias[output])
        let bound = Double(y[row * 24 + output])
        let margin = 2 * Double(slack * left.units[row] * right.units[output])
        let rounding = 1e-6 * (abs(z) + 1)
        #expect(bound <= z + rounding && z <= bound + margin + rounding, "\(row), \(output)")
      }
      #expect(y[row * 24 + outputs..<row * 24 + 24].allSatisfy { $0.isNaN })
    }
  }

  @Test func screened() {
    var y = Tensor.random([75], seed: 1).elements
    (y[3], y[40], y[74]) = (.nan, -.infinity, .nan)
    var units = Tensor.random([75], seed: 2, plus: 2).elements
    units[20] = .infinity
    var found = [Int32](repeating: -1, count: 75)
    let count = kernel_screened(&found, y, 0.25, units, 1, 75)
    let wanted = (0..<75).filter { !(y[$0] + 0.25 * units[$0] < 1) }
    #expect(found[..<count].map(Int.init) == wanted)
    #expect(wanted.count < 40 && Set(wanted).isSuperset(of: [3, 20, 74]))
  }

  /// Small whole numbers, whose products are exact and often equal; features and rows that are 0 or out of bounds.
  @Test(arguments: [(40, 1), (100, 7), (33, 33)]) func choosesTheLargest(features: Int, k: Int) {
    let (rows, width) = (700, 9)
    func numbers(_ count: Int, seed: Int) -> [Float] {
      Tensor.random([count], seed: seed, scale: 2).elements.map { $0.rounded() }
    }
    var (encoder, h) = (numbers(features * width, seed: 1), numbers(rows * width, seed: 2))
    for c in 0..<width {
      (encoder[5 * width + c], h[5 * width + c]) = (0, 0)
      encoder[7 * width + c] *= 0x1p70
      h[7 * width + c] *= 0x1p-60
      h[8 * width + c] *= 0x1p50
      encoder[9 * width + c] *= 0x1p-20
    }
    let bias = numbers(features, seed: 3)
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.auxiliaryK) = (features, k, 0)
    let sae = SparseAutoencoder(
      k: k, encoder: Tensor(encoder, [features, width]), decoder: .random([features, width], seed: 4),
      preBias: Tensor([width]), latentBias: Tensor(bias, [features]))
    var state = DictionaryState(
      settings, autoencoder: sae, mseScale: 1, idle: Array(repeating: 0, count: features))
    let codes = state.derive(Tensor(h, [rows, width])).codes
    for row in 0..<rows {
      let x = Array(h[row * width..<(row + 1) * width])
      let z = (0..<features).map {
        Float(dot(x, Array(encoder[$0 * width..<($0 + 1) * width]))) + bias[$0]
      }
      let order = z.indices.sorted { z[$0] > z[$1] || (z[$0] == z[$1] && $0 < $1) }
      let wanted = order.prefix(k).filter { z[$0] > 0 }
      let found = codes.rows(row..<row + 1)
      #expect(found.indices.map(Int.init) == wanted, "row \(row)")
      #expect(found.values == wanted.map { z[$0] }, "row \(row)")
    }
  }
}
