import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The work of `probe`: labels told from the vectors of a block.
public struct ProbeJob {
  /// A store by name; nil for the largest of the site that fits.
  public var store: String?
  /// Names of dictionaries, of which one gives the codes that are probed, the newest where none is named; nil to probe
  /// the channels.
  public var dictionaries: [String]?
  /// Pictures, from the first on, at most.
  public var pictures = 200
  /// A file of labels; nil to tell positions.
  public var labels: String?
  /// Of positions: whether the row is told, not the column.
  public var isOfRows = true
  /// How; nil for what suits the labels.
  public var method: ProbeStudy.Method?
  /// Where the direction is written; nil for nowhere.
  public var direction: String?
  /// Of classes: whose direction it is.
  public var ofClass: String?
  private let model: ModelFolder
  private let block: BlockName
  private let site: RecordedSite
  private let workspace: Workspace
  private let progress: any MetricProgress

  /// Of a site of a block; `site` says which store is looked for.
  public init(
    of model: ModelFolder, _ block: BlockName, _ site: RecordedSite, in workspace: Workspace,
    _ progress: any MetricProgress
  ) {
    (self.model, self.block, self.site) = (model, block, site)
    (self.workspace, self.progress) = (workspace, progress)
  }

  /// Probes, and writes the direction.
  ///
  /// - Throws: `NoDirectionOfHeads`, as `StoreLookup`, `DictionaryLookup`, `ProbeLabels` and `ProbeStudy`; `FileError`.
  public func run() throws -> ProbeReport {
    let store = try StoreLookup(model, in: workspace) { progress.note($0) }
      .find(store, of: [block], site: "\(site)")
    if direction != nil, store.manifest.site.hasPrefix("heads.") {
      throw NoDirectionOfHeads(store: store.folder)
    }
    let dictionary = try dictionaries.map { names in
      try DictionaryLookup(model, in: workspace, site: store.manifest.site) { progress.note($0) }
        .dictionaries(of: [block], named: names)
    }?[block]
    let source = try ProbeStudy.Source("\(block)", in: store, codes: dictionary?.autoencoder)
    let map = try store.activations(of: "\(block)").block
    let count = min(pictures, store.pictures)
    let labels =
      try self.labels.map {
        try ProbeLabels(contentsOf: $0, pictures: store.pictures, places: map.mapHeight * map.mapWidth)
          .first(count)
      }
      ?? (isOfRows
        ? .rows(pictures: count, height: map.mapHeight, width: map.mapWidth)
        : .columns(pictures: count, height: map.mapHeight, width: map.mapWidth))
    progress.count(to: count, unit: "pictures")
    let study = try ProbeStudy(source, labels, method: method) { progress.advance("reading", by: 1) }
    progress.clear()
    if let path = direction {
      let direction = try study.direction(of: ofClass ?? (study.classes.count == 2 ? study.classes[1] : nil))
      try Safetensors.write([.init(UpdateMap.name, Tensor(direction, [direction.count]))], to: path)
      progress.note("'\(path)' has the direction, for intervene --block \(block) --direction")
    }
    return ProbeReport(
      block: "\(block)", site: store.manifest.site, method: study.method.rawValue,
      target: self.labels.map { ($0 as NSString).lastPathComponent } ?? (isOfRows ? "row" : "column"),
      codes: dictionary != nil, classes: study.classes.count, score: study.score, chance: study.chance,
      error: study.error, learned: study.learned,
      sources: try Provenance(
        model, dictionaries: dictionary.map { [try .init($0, of: block, on: model)] } ?? [], store: store))
  }
}

/// What a probe told.
public struct ProbeReport: Encodable {
  let block, site, method: String
  let target: String
  let codes: Bool
  let classes: Int
  /// The share of labels told right, or R² of numbers.
  public let score: Estimate
  @Nullable var chance: Double?
  @Nullable var error: Estimate?
  let learned: Int
  let sources: Provenance

  /// A line for each figure.
  public var text: String {
    var table = Table(left: [0], [["", "", "95 %", "n"]])
    func add(_ title: String, _ estimate: Estimate) {
      table.add(title, Cells.number(estimate.value), Cells.ends(estimate.interval), "\(estimate.n)")
    }
    add(method == ProbeStudy.Method.logistic.rawValue ? "Told right" : "R²", score)
    if let error { add("Mean error", error) }
    if let chance { table.add("Chance", Cells.number(chance), "", "") }
    let of = codes ? "features of the \(site)" : site
    return "The \(target) from the \(of) of \(block)\n\(table.text)\n\(sources.text)"
  }
}

/// A direction that no edit could take.
public struct NoDirectionOfHeads: UserError {
  let store: String
  /// The store, and what to do.
  public var description: String {
    "'\(store)' has the outputs of heads, which are no channels of the block, so that --save has no direction for an edit; "
      + "leave --save out, or probe --site update"
  }
}
