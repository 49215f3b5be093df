import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// The work of `intervene`: one run without edits, and one for each list of edits.
public struct InterventionJob {
  private let laboratory: Laboratory
  private let prompt: String
  private let negativePrompt: String?
  private let settings: RunSettings
  private let lists: [(title: String, list: EditList)]
  private let record: RunRecord
  private let output: OutputPlace

  /// Plans a run of a prompt without edits, and one for each list of edits, of which the first tells what is active.
  public init(
    _ laboratory: Laboratory, _ prompt: String, negative: String? = nil, _ settings: RunSettings,
    lists: [(title: String, list: EditList)], record: RunRecord, to output: OutputPlace
  ) {
    (self.laboratory, self.prompt, negativePrompt) = (laboratory, prompt, negative)
    (self.settings, self.record, self.output) = (settings, record, output)
    self.lists = lists.map { ($0.title, $0.list.naming(laboratory.dictionaries)) }
  }

  /// What is reported of a run with edits.
  public struct Outcome: Encodable {
    let title: String
    let picture: String
    let edits: [Edit]
    let change: PictureChange
  }

  /// What is reported.
  public struct Result: Encodable {
    let folder: String
    let prompt: String
    let seed: Seed
    let activeShare: Double?
    let dictionaries: [String: DictionaryIdentity]
    let outcomes: [Outcome]
    let run: [String: String]

    /// A line for each list of edits.
    public var text: String {
      var table = Table(left: [0, 1], [["Edit", "Picture", "Change", "inside", "outside"]])
      for outcome in outcomes {
        table.add(
          outcome.title, outcome.picture, Cells.rounded(outcome.change.overall),
          Cells.rounded(outcome.change.inside),
          Cells.rounded(outcome.change.outside))
      }
      let made = dictionaries.keys.sorted().map { "\nDictionary of \($0): \(dictionaries[$0]!)" }.joined()
      return "\(folder)\n\(table.text)\(made)"
    }
  }

  /// Runs everything and writes the files.
  ///
  /// - Throws: as `Laboratory.interventions` and `Laboratory.run`; `FileError`, `PictureError`.
  public func run(_ progress: any MetricProgress) throws -> Result {
    try Canvas.checkFonts()
    progress.noteSteps(
      of: lists.flatMap(\.list.edits), laboratory.dictionaries,
      stepsOfRun: try laboratory.model.stepCount(settings.steps))
    progress.stage("the runs of other prompts")
    let interventions = try laboratory.interventions(
      lists.map(\.list), negative: negativePrompt, settings)
    try AtomicFolder.makeAll(above: output.path)
    if !output.replaces { try AtomicFolder.check(output.path) }
    progress.count(to: 2 * lists.count + 2, unit: "passes")
    progress.stage("the run without edits")
    let base = try laboratory.run(
      prompt, negative: negativePrompt, settings, for: interventions)
    progress.advance("running", by: 1)
    let traces = interventions.map { intervention in
      defer { progress.advance("running", by: 1) }
      return base.run(intervention)
    }
    let before = try laboratory.picture(base.trace)
    progress.advance("decoding", by: 1)
    let after = try traces.map { trace in
      defer { progress.advance("decoding", by: 1) }
      return try laboratory.picture(trace)
    }
    progress.clear()
    let area = try activeArea(base, progress)
    var result: Result?
    try AtomicFolder.write(to: output.path, replacing: output.replaces) { folder in
      let outcomes = try write(before, after, area, to: folder)
      let made = Result(
        folder: output.path, prompt: prompt, seed: settings.seed, activeShare: area?.area.share,
        dictionaries: Dictionary(
          uniqueKeysWithValues: laboratory.dictionaries.map { ("\($0)", $1.identity) }),
        outcomes: outcomes, run: record.metadata())
      try JSON.write(made, to: "\(folder)/run.json")
      result = made
    }
    return result!
  }

  /// Where the first edited feature is active; says so when it is nowhere.
  private func activeArea(_ base: BaseRun, _ progress: any MetricProgress) throws -> (
    area: ActiveArea, map: [Float]
  )? {
    guard let edit = lists[0].list.edits.first(where: { $0.feature != nil }), let feature = edit.feature
    else {
      return nil
    }
    let map = try laboratory.pipeline.mapSize(of: edit.block, settings)
    if case .add(_, _, let mask) = edit.operation {
      return (ActiveArea(height: map.height, width: map.width, mask: mask), [])
    }
    guard case .modulate = edit.operation else { return nil }
    let step = edit.steps?.min() ?? 0
    guard base.update(of: edit.block, step: step) != nil else { return nil }
    let activations = try laboratory.codes(of: edit.block, in: base, step: step).map(of: feature)
    if activations.allSatisfy({ $0 == 0 }) { progress.note(inactive(feature, at: edit.block)) }
    return (ActiveArea(height: map.height, width: map.width, activations: activations), activations)
  }

  /// Where a feature would act.
  private func inactive(_ feature: Int, at block: BlockName) -> String {
    let start =
      "Feature \(feature) of \(block) is not active on this prompt, so that modulating it changes nothing"
    guard let dictionary = laboratory.dictionaries[block], let examples = dictionary.examples,
      let pictures = dictionary.pictures
    else { return start + "; --add puts it into the picture" }
    let prompts = examples[feature].prefix(3).compactMap { example in
      pictures.prompts[example.picture].map { prompt in
        let seed = (try? pictures.seed(of: example.picture)).map { ", seed \($0)" } ?? ""
        return "  \"\(prompt)\"\(seed)"
      }
    }
    return start + "; it is on:\n" + prompts.joined(separator: "\n")
  }

  /// Writes the pictures and the edits.
  private func write(
    _ before: Picture, _ after: [Picture], _ active: (area: ActiveArea, map: [Float])?, to folder: String
  ) throws -> [Outcome] {
    func save(_ picture: Picture, _ name: String, _ edits: EditList? = nil) throws {
      try PNG.write(
        picture, text: record.texts(edits: edits, shows: name.hasPrefix("after") ? nil : name),
        to: "\(folder)/\(name).png")
    }
    try save(before, "before")
    var shown: [(title: String, drawing: Grid.Drawing)] = [("before", Grid.Drawing(before))]
    if let active, !active.map.isEmpty {
      let map = Tensor(active.map, [active.area.height, active.area.width])
      var heat = HeatMap.ofFigures
      let highest = map.finiteRange.upperBound
      heat.range = 0...highest
      let picture = heat(map, over: before)
      try save(picture, "heatmap")
      shown.append(("where it is active", Grid.Drawing(picture, scale: heat.scale(to: highest))))
    }
    var outcomes: [Outcome] = []
    for (index, (item, picture)) in zip(lists, after).enumerated() {
      let number = lists.count == 1 ? "" : "-\(index + 1)"
      let list = try item.list.writingMaps(to: folder)
      try save(picture, "after\(number)", list)
      let difference = Difference(before, picture)
      try save(difference.picture, "difference\(number)", list)
      try list.write(to: "\(folder)/edit\(number).json")
      shown.append((item.title, Grid.Drawing(picture)))
      if lists.count == 1 {
        shown.append((difference.title, Grid.Drawing(difference.picture, scale: difference.scale)))
      }
      outcomes.append(
        Outcome(
          title: item.title, picture: "after\(number).png", edits: list.edits,
          change: PictureChange(from: before, to: picture, area: active?.area)))
    }
    let note = [EditList.features(of: lists.map(\.list)), try laboratory.origin(settings)]
    let grid = Grid(
      title: prompt.isEmpty ? "the empty prompt" : prompt,
      note: note.filter { !$0.isEmpty }.joined(separator: " · "),
      columns: shown.map(\.title),
      rows: [Grid.Row(cells: shown.map { Grid.Cell(hasScale: $0.drawing.scale != nil) })], cellWidth: 256,
      enlargement: .smooth)
    try grid.draw(to: "\(folder)/comparison.png", text: record.texts(shows: "comparison")) { _ in
      shown.map(\.drawing)
    }
    return outcomes
  }
}
