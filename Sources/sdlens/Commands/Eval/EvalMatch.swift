import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens eval match`: two dictionaries of one block.
struct EvalMatch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "match",
    abstract: "How far two dictionaries of a block found the same features.",
    discussion: """
      The matched cosine of a feature is the largest with a feature of the other dictionary: of \
      dictionaries that differ in their seeds it tells how stable they are (Sharkey et al., 2022). With \
      dictionaries of different size and a store, also absorption: of the vectors on which a feature of \
      the smaller one is active, the share on which its nearest of the larger one is silent while a \
      related feature stands in (after Chanin et al., 2024).
      """)

  @Argument(
    help: ArgumentHelp("A dictionary, in any format that convert reads.", valueName: "folder"),
    completion: .directory)
  var first: String

  @Argument(help: ArgumentHelp("Another one of the same block.", valueName: "folder"), completion: .directory)
  var second: String

  @Option(
    help: ArgumentHelp(
      "Store of activations, for absorption: a name in the workspace, or a folder.", valueName: "name"),
    completion: .directory)
  var store: String?

  @Option(help: "The block, if the dictionaries do not tell.")
  var block: BlockName?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Pictures of the store to look at, at most.", valueName: "n"))
  var pictures = 500

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard 1...1 << 30 ~= pictures else {
      throw ValidationError("pictures is \(pictures), but it must be at least 1")
    }
  }

  /// What is reported; "matched" from the first dictionary to the second.
  struct Result: Encodable {
    let features: [Int]
    let meanMatchedCosine: Double
    let meanMatchedCosineBack: Double
    let shareAbove07: Double
    let mutualShare: Double
    let absorption: Double?
    let absorbedFeatures: Int?
    /// The same figures with n, a number of features, and the interval of features drawn anew.
    let estimates: [String: Estimate]
    let sources: Provenance
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let saved = [try SavedAutoencoder.read(first), try SavedAutoencoder.read(second)]
    for each in saved { progress.notes(each.notes) }
    let both = saved.map(\.autoencoder)
    guard both[0].width == both[1].width, saved[0].block == saved[1].block else {
      throw UnlikeDictionaries(
        first: "\(first)' is of \(saved[0].block ?? "an unknown block"), width \(both[0].width)",
        second: "\(second)' of \(saved[1].block ?? "an unknown block"), width \(both[1].width)")
    }
    progress.stage("matching")
    let there = DictionaryMatch(both[0].decoder, with: both[1].decoder)
    let back = DictionaryMatch(both[1].decoder, with: both[0].decoder)
    let recorded = try store.map { try ActivationStore(workspace.place.path(ofStore: $0)) }
    let shares = try recorded.map { try absorption(both, saved[0].block, $0, progress) }
    var estimates: [String: Estimate] = [:]
    estimates["mean_matched_cosine"] = Estimate(meanOf: there.cosines)
    estimates["mean_matched_cosine_back"] = Estimate(meanOf: back.cosines)
    estimates["share_above_07"] = Estimate(meanOf: there.cosines.map { $0 >= 0.7 ? 1 : 0 })
    estimates["mutual_share"] = Estimate(meanOf: there.isMutual.map { $0 ? 1 : 0 })
    estimates["absorption"] = shares.flatMap { Estimate(meanOf: $0) }
    let result = Result(
      features: both.map(\.features), meanMatchedCosine: there.mean, meanMatchedCosineBack: back.mean,
      shareAbove07: there.share(above: 0.7), mutualShare: there.mutual,
      absorption: shares.flatMap { MeanAndDeviation($0)?.mean },
      absorbedFeatures: shares.map { $0.count { $0 > 0 } }, estimates: estimates,
      sources: try Provenance(
        nil,
        dictionaries: zip([first, second], saved).map { path, saved in
          .init(path, of: saved.block, saved.autoencoder)
        }, store: recorded))
    progress.clear()
    guard !report.json else { return try Output.print(json: result) }
    var table = Table(left: [0], [["", "", "95 %", "n"]])
    func add(_ title: String, _ name: String, scale: Double, unit: String = "") {
      guard let estimate = estimates[name] else { return }
      let ends = estimate.interval.map { $0.map { Units.rounded($0 * scale) }.joined(separator: "–") + unit }
      table.add(title, Units.rounded(estimate.value * scale) + unit, ends ?? "", "\(estimate.n)")
    }
    table.add("Features", "\(both[0].features) and \(both[1].features)")
    add("Mean matched cosine", "mean_matched_cosine", scale: 1)
    add("  the other way round", "mean_matched_cosine_back", scale: 1)
    add("Matched at 0.7 or more", "share_above_07", scale: 100, unit: " %")
    add("Nearest to each other", "mutual_share", scale: 100, unit: " %")
    add("Absorption", "absorption", scale: 100, unit: " %")
    try Output.print("\(table.text)\n\(result.sources.text)")
  }

  /// For each feature of the smaller dictionary that was active, the share of absorbed vectors.
  private func absorption(
    _ both: [SparseAutoencoder], _ saved: String?, _ store: ActivationStore, _ progress: Progress
  ) throws -> [Double] {
    guard let block = block?.description ?? saved else { throw BlockUnknown(path: first) }
    progress.count(to: min(pictures, store.pictures), unit: "pictures")
    return try Absorption(both, at: block, in: store, limit: pictures) { progress.advance("encoding") }
      .shares.compactMap(\.self)
  }
}

/// Dictionaries that cannot be compared.
struct UnlikeDictionaries: UserError {
  let first: String
  let second: String
  var description: String {
    "'\(first), but '\(second); only dictionaries of one block can be matched"
  }
}
