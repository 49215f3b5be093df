import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How far two dictionaries of a block found the same features; "matched" from the first to the second.
public struct DictionaryComparison: Encodable {
  let features: [Int]
  let meanMatchedCosine: Double
  let meanMatchedCosineBack: Double
  let shareAbove07: Double
  let mutualShare: Double
  let absorption: Double?
  let absorbedFeatures: Int?
  /// The same figures with n, a number of features, and the interval of features drawn anew.
  public let estimates: [String: Estimate]
  /// What was compared.
  public let sources: Provenance

  /// Reads two dictionaries, in any format, and compares them.
  ///
  /// - Parameters:
  ///   - block: where the dictionaries do not tell.
  ///   - store: the folder of activations that tell the absorption; nil for none.
  ///   - pictures: of the store, at most.
  /// - Throws: `UnlikeDictionaries`, `BlockUnknown`, and what is wrong with any of the files.
  public init(
    _ first: String, _ second: String, _ block: BlockName? = nil, in store: String? = nil,
    pictures: Int = 500, _ progress: any MetricProgress
  ) throws {
    let saved = [try SavedAutoencoder.read(first), try SavedAutoencoder.read(second)]
    for note in saved.flatMap(\.notes) { progress.note(note) }
    let both = saved.map(\.autoencoder)
    guard both[0].width == both[1].width, saved[0].block == saved[1].block else {
      throw UnlikeDictionaries(
        first: "\(first)' is of \(saved[0].block ?? "an unknown block"), width \(both[0].width)",
        second: "\(second)' of \(saved[1].block ?? "an unknown block"), width \(both[1].width)")
    }
    progress.stage("matching")
    let there = DictionaryMatch(both[0].decoder, with: both[1].decoder)
    let back = DictionaryMatch(both[1].decoder, with: both[0].decoder)
    let recorded = try store.map { try ActivationStore($0) }
    // For each feature of the smaller dictionary that was active, the share of absorbed vectors.
    let shares = try recorded.map { store in
      guard let block = block?.description ?? saved[0].block else { throw BlockUnknown(path: first) }
      progress.count(to: min(pictures, store.pictures), unit: "pictures")
      return try Absorption(both, at: block, in: store, limit: pictures) {
        progress.advance("encoding", by: 1)
      }.shares.compactMap(\.self)
    }
    features = both.map(\.features)
    (meanMatchedCosine, meanMatchedCosineBack) = (there.mean, back.mean)
    (shareAbove07, mutualShare) = (there.share(above: 0.7), there.mutual)
    absorption = shares.flatMap { MeanAndDeviation($0)?.mean }
    absorbedFeatures = shares.map { $0.count { $0 > 0 } }
    var estimates: [String: Estimate] = [:]
    estimates["mean_matched_cosine"] = Estimate(meanOf: there.cosines)
    estimates["mean_matched_cosine_back"] = Estimate(meanOf: back.cosines)
    estimates["share_above07"] = Estimate(meanOf: there.cosines.map { $0 >= 0.7 ? 1 : 0 })
    estimates["mutual_share"] = Estimate(meanOf: there.isMutual.map { $0 ? 1 : 0 })
    estimates["absorption"] = shares.flatMap { Estimate(meanOf: $0) }
    self.estimates = estimates
    sources = try Provenance(
      nil,
      dictionaries: zip([first, second], saved).map { path, saved in
        .init(path, of: saved.block, saved.autoencoder)
      }, store: recorded)
    progress.clear()
  }

  /// A line for each figure.
  public var text: String {
    var table = Table(left: [0], [["", "", "95 %", "n"]])
    func add(_ title: String, _ name: String, scale: Double, unit: String = "") {
      guard let estimate = estimates[name] else { return }
      let ends = estimate.interval.map { $0.map { Units.rounded($0 * scale) }.joined(separator: "–") + unit }
      table.add(title, Units.rounded(estimate.value * scale) + unit, ends ?? "", "\(estimate.n)")
    }
    table.add("Features", "\(features[0]) and \(features[1])")
    add("Mean matched cosine", "mean_matched_cosine", scale: 1)
    add("  the other way round", "mean_matched_cosine_back", scale: 1)
    add("Matched at 0.7 or more", "share_above07", scale: 100, unit: " %")
    add("Nearest to each other", "mutual_share", scale: 100, unit: " %")
    add("Absorption", "absorption", scale: 100, unit: " %")
    return "\(table.text)\n\(sources.text)"
  }
}

/// Dictionaries that cannot be compared.
public struct UnlikeDictionaries: UserError {
  let first: String
  let second: String
  /// Both, and what can be matched.
  public var description: String {
    "'\(first), but '\(second); only dictionaries of one block can be matched"
  }
}
