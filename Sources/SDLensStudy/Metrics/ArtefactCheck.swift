import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Whether an edit drives a block's update out of the range that it has by itself: what lies far outside may show
/// how the network breaks instead of what a feature means.
public struct ArtefactCheck: Sendable, Equatable {
  /// The length of an update, over places, that 99.9 % of the natural ones do not pass.
  public let limit: Double
  /// The share of places whose edited update is longer.
  public let beyond: Double
  /// The largest edited length over the limit; 0 where nothing is natural.
  public let excess: Double

  /// How much of the natural range counts as usual.
  public static let usual = 0.999

  /// Compares lengths; the natural ones ascend.
  public init(edited: [Double], natural: [Double]) {
    precondition(!edited.isEmpty && !natural.isEmpty, "lengths of nothing")
    let limit = Bootstrap.quantile(natural, Self.usual)
    self.limit = limit
    beyond = Double(edited.count { $0 > limit }) / Double(edited.count)
    excess = limit > 0 ? (edited.max() ?? 0) / limit : 0
  }

  /// The length of each vector along the last axis.
  public static func lengths(_ vectors: Tensor) -> [Double] {
    let width = vectors.width
    return vectors.withElements { x in
      stride(from: 0, to: x.count, by: width).map { start in
        x[start..<start + width].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      }
    }
  }

  /// The lengths `‖x + β s f‖` of updates `x` [places, width] with a feature of direction `f` modulated, at the places
  /// where its activation `s` is above 0.
  public static func lengths(
    of updates: Tensor, modulating map: [Float], by beta: Double, _ direction: [Float]
  ) -> [Double] {
    let width = updates.width
    precondition(
      map.count == updates.rows && direction.count == width, "\(map.count) of \(updates.rows) places")
    return updates.withElements { x in
      map.indices.filter { map[$0] > 0 }.map { place in
        (0..<width).reduce(0.0) { sum, channel in
          let value =
            Double(x[place * width + channel]) + beta * Double(map[place]) * Double(direction[channel])
          return sum + value * value
        }.squareRoot()
      }
    }
  }
}

/// `artefacts`, as `eval` measures it.
enum ArtefactCheckMetric: Metric {
  static let name = "artefacts"
  static let abstract = "Whether edits drive updates out of their natural range."
  static let discussion = """
    Of the places where a feature is active, the share whose update, with the feature modulated by -10, \
    -5, 5 and 10, is longer than 99.9 % of natural updates; and the longest of them over that limit.
    """
  static let columns = ["beyond", "excess"].flatMap { what in
    Locality.strengths.map { "\(String(format: "%g", $0)) \(what)" }
  }
  static let needs: Set<MetricNeed> = [.store, .recorded]

  static func measure(_ block: BlockName, in run: MetricRun) throws {
    let session = run.session
    guard let autoencoder = session.dictionaries[block]?.autoencoder else { return }
    var kept: [Double]?
    try run.features(self, block) { feature in
      let natural = try kept ?? naturalLengths(at: block, in: session)
      kept = natural
      let direction = autoencoder.decoder.rows(feature..<feature + 1).elements
      var edited = [[Double]](repeating: [], count: Locality.strengths.count)
      for (_, example) in session.sample(of: feature, at: block) {
        guard let rows = try session.rows(of: example.picture, at: block),
          let map = try session.codes(of: example.picture, at: block)?.map(of: feature)
        else { continue }
        for (index, beta) in Locality.strengths.enumerated() {
          edited[index] += ArtefactCheck.lengths(of: rows, modulating: map, by: beta, direction)
        }
      }
      guard !edited[0].isEmpty, (natural.last ?? 0) > 0 else { return MetricOutcome(skip: .tooFewPictures) }
      let checks = edited.map { ArtefactCheck(edited: $0, natural: natural) }
      return MetricOutcome(values: checks.map(\.beyond) + checks.map(\.excess))
    }
  }

  /// The lengths of updates as they are, ascending, of up to 100 pictures.
  private static func naturalLengths(at block: BlockName, in session: MetricSession) throws -> [Double] {
    try session.sample(of: MetricRun.baselineSize, name).compactMap { try session.rows(of: $0, at: block) }
      .flatMap(ArtefactCheck.lengths).sorted()
  }
}
