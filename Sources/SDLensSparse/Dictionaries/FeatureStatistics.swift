import Foundation
import SDLensCore

/// How the features of a dictionary behave on recorded data: `statistics.safetensors`.
///
/// Everything but the density is over positive activations only; a feature that was never active has zeros.
public struct FeatureStatistics: Sendable {
  /// The shares of positive activations that lie below the quantiles.
  public static let levels: [Double] = [0.05, 0.25, 0.5, 0.75, 0.95]
  /// The name of the file in the folder of a dictionary.
  public static let fileName = "statistics.safetensors"

  /// μ_ρ, the mean, [features].
  public let mean: [Float]
  /// The standard deviation (of the population), [features].
  public let deviation: [Float]
  /// The largest, [features].
  public let maximum: [Float]
  /// The share of vectors on which a feature is active, [features].
  public let density: [Float]
  /// For every feature the quantiles at `levels`, [features, 5]; read from a histogram of bins 4.5 % wide.
  public let quantiles: [Float]
  /// The number of vectors.
  public let vectors: Int

  /// The number of features.
  public var features: Int { mean.count }
  /// Active features per vector.
  public var l0: Double { density.reduce(0) { $0 + Double($1) } }
  /// The features that were never active.
  public var dead: [Int] { density.indices.filter { density[$0] == 0 } }

  /// Reads the file of a dictionary.
  ///
  /// - Throws: `FileError`, `SafetensorsError`, `MalformedFile` when it is of another number of features.
  public init(contentsOf path: String, features: Int) throws {
    let file = try Safetensors(contentsOf: path)
    func numbers(_ name: String, _ shape: Shape) throws -> [Float] {
      let tensor = try file.tensor(name)
      guard tensor.shape == shape, tensor.elements.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
        throw MalformedFile(
          path: path,
          reason: "'\(name)' must be \(shape) numbers of at least 0; make it again with: sdlens statistics")
      }
      return tensor.elements
    }
    mean = try numbers("mean", [features])
    deviation = try numbers("deviation", [features])
    maximum = try numbers("maximum", [features])
    density = try numbers("density", [features])
    quantiles = try numbers("quantiles", [features, Self.levels.count])
    vectors = file.metadata["vectors"].flatMap { Int($0) } ?? 0
  }

  fileprivate init(_ counts: FeatureCounts) {
    mean = counts.counts.indices.map {
      counts.counts[$0] == 0 ? 0 : Float(counts.sums[$0] / Double(counts.counts[$0]))
    }
    deviation = counts.counts.indices.map {
      guard counts.counts[$0] > 0 else { return 0 }
      let (count, mean) = (Double(counts.counts[$0]), counts.sums[$0] / Double(counts.counts[$0]))
      return Float(max(0, counts.squares[$0] / count - mean * mean).squareRoot())
    }
    maximum = counts.maxima
    density = counts.counts.map { Float(Double($0) / Double(max(1, counts.vectors))) }
    quantiles = counts.counts.indices.flatMap { feature in
      Self.levels.map { counts.quantile($0, of: feature) }
    }
    vectors = counts.vectors
  }

  /// Writes the file, whole or not at all.
  public func write(to path: String) throws {
    func tensor(_ numbers: [Float]) -> Tensor { Tensor(numbers, [numbers.count]) }
    try Safetensors.write(
      [
        ("density", tensor(density)), ("deviation", tensor(deviation)), ("maximum", tensor(maximum)),
        ("mean", tensor(mean)), ("quantiles", tensor(quantiles).reshaped([features, Self.levels.count])),
      ],
      metadata: ["vectors": "\(vectors)", "levels": Self.levels.map { "\($0)" }.joined(separator: " ")],
      to: path)
  }
}

/// Counts activations as they come.
public struct FeatureCounts: Sendable {
  fileprivate private(set) var counts: [Int]
  fileprivate private(set) var sums: [Double]
  fileprivate private(set) var squares: [Double]
  fileprivate private(set) var maxima: [Float]
  fileprivate private(set) var vectors = 0
  private var histogram: [UInt32]

  // Sixteen bins for every power of two, from 2⁻¹⁶ to 2¹⁶.
  private static let (bins, perDoubling, lowest) = (512, 16.0, -16.0)

  /// Nothing counted yet.
  public init(features: Int) {
    counts = Array(repeating: 0, count: features)
    sums = Array(repeating: 0, count: features)
    squares = sums
    maxima = Array(repeating: 0, count: features)
    histogram = Array(repeating: 0, count: features * Self.bins)
  }

  /// Counts the active features of some vectors.
  public mutating func add(_ codes: Codes) {
    vectors += codes.rows
    for (index, value) in zip(codes.indices, codes.values) {
      let feature = Int(index)
      counts[feature] += 1
      sums[feature] += Double(value)
      squares[feature] += Double(value) * Double(value)
      maxima[feature] = max(maxima[feature], value)
      let bin = Int((Foundation.log2(Double(value)) - Self.lowest) * Self.perDoubling)
      histogram[feature * Self.bins + min(max(bin, 0), Self.bins - 1)] += 1
    }
  }

  /// What was counted.
  public var statistics: FeatureStatistics { FeatureStatistics(self) }

  /// The value below which a share of the positive activations lie, within its bin by proportion.
  fileprivate func quantile(_ level: Double, of feature: Int) -> Float {
    guard counts[feature] > 0 else { return 0 }
    let wanted = level * Double(counts[feature])
    var below = 0.0
    for bin in 0..<Self.bins {
      let count = Double(histogram[feature * Self.bins + bin])
      if count > 0, below + count >= wanted {
        let place = Double(bin) + (wanted - below) / count
        return min(Float(exp2(place / Self.perDoubling + Self.lowest)), maxima[feature])
      }
      below += count
    }
    return maxima[feature]
  }
}
