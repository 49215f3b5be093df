import SDLensCore
import SDLensDiffusion

/// How far a feature alone moves the picture of the empty prompt: the mean over pixels of the Manhattan distance.
enum AloneMetric: FeatureMetric {
  static let name = "alone"
  static let abstract = "How far a feature alone moves the picture of the empty prompt."
  static let needs: Set<MetricNeed> = [.means]
  static let decimals = 1

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws -> MetricOutcome
  {
    guard let alone = try session.emptyContextPicture(of: feature, at: block) else {
      return MetricOutcome(skip: .dead)
    }
    let empty = try session.archive.picture(.init("", try session.ownSettings(session.settings.seed)))
    return MetricOutcome(ReconstructionError(from: empty, to: alone).mean, else: .dead)
  }
}
