import Foundation
import SDLensDiffusion
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

/// `density`, as `eval` measures it.
enum DictionaryDensityMetric: Metric {
  static let name = "density"
  static let abstract = "How often features are active, and how many never are."
  static let columns = ["dead share", "dense share", "density"]
  static let decimals = 3
  static let needs: Set<MetricNeed> = [.statistics]

  static func measure(_ block: BlockName, in run: MetricRun) throws {
    guard let density = run.session.dictionaries[block]?.statistics?.density else { return }
    let (found, estimates) = (DictionaryDensity(density), DictionaryDensity.shares(density))
    run.add(self, block, columns[0], values: [found.dead], estimate: estimates?.dead)
    run.add(self, block, columns[1], values: [found.dense], estimate: estimates?.dense)
    run.add(self, block, columns[2], values: density.filter { $0 > 0 }.map(Double.init))
  }
}
