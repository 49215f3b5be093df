import Foundation
import SDLensSparse

/// How often the features of a dictionary are active.
public struct DictionaryDensity: Sendable, Equatable, Codable {
  /// The share of features that were never active.
  public let dead: Double
  /// The share of features active on more than a tenth of the vectors.
  public let dense: Double
  /// The median density of the features that were active, as a logarithm to base 10; nil when all are dead.
  public let medianLogarithm: Double?

  /// Of the share of vectors on which each feature is active.
  public init(_ density: [Float]) {
    let alive = density.filter { $0 > 0 }.map { log10(Double($0)) }.sorted()
    dead = Double(density.count - alive.count) / Double(max(1, density.count))
    dense = Double(alive.count { $0 > -1 }) / Double(max(1, density.count))
    medianLogarithm = alive.isEmpty ? nil : Bootstrap.quantile(alive, 0.5)
  }

  /// The shares of dead and of dense features with their intervals, of features drawn anew; nil without features.
  public static func shares(_ density: [Float]) -> (dead: Estimate, dense: Estimate)? {
    func share(_ counts: (Float) -> Bool) -> Estimate? {
      Estimate(meanOf: density.map { counts($0) ? 1 : 0 })
    }
    guard let dead = share({ $0 <= 0 }), let dense = share({ log10(Double($0)) > -1 }) else { return nil }
    return (dead, dense)
  }
}
