import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// Makes the pictures of figures, nothing twice.
///
/// All panels are announced before the first is made. A scene then runs once without edits, and its edited runs
/// begin where their first edit is; of them the latents are kept, which are small, until their last panel is made.
/// Pictures are decoded after all U-net runs that the panels asked for together need.
///
/// Maps are those of the first denoising step. The maps of a feature that run together are drawn on one scale,
/// from 0 to the highest activation in any of them; so are the differences that are rendered together.
public final class FigureRenderer {
  /// The model and the dictionaries that edits and maps may need.
  public let laboratory: Laboratory
  /// How maps are drawn over pictures.
  public var heatMap = HeatMap.ofFigures
  /// How pictures are faded.
  public var coldMap = ColdMap()
  /// Called after every run and every decoded picture.
  public var advance: () -> Void = {}

  private let pipeline: Pipeline
  private var pending: [Scene: Pending] = [:]
  private var kept: [Scene: BaseRun] = [:]
  private var latents: [Shot: Tensor] = [:]
  private var pictures: [Shot: Picture] = [:]
  private var uses: [Shot: Int] = [:]
  private var maps: [MapKey: Codes] = [:]
  private var mapUses: [MapKey: Int] = [:]
  private var highest: [FeatureKey: Float] = [:]

  /// What a scene has not run yet.
  private struct Pending {
    var isBaseWanted = false
    var edited: [(shot: Shot, intervention: Intervention)] = []
    var maps: Set<BlockName> = []
  }
  private struct MapKey: Hashable {
    let scene: Scene
    let block: BlockName
  }
  private struct FeatureKey: Hashable {
    let block: BlockName
    let feature: Int
  }

  /// Reads the model.
  ///
  /// - Throws: what is wrong with it.
  public init(_ laboratory: Laboratory) throws {
    self.laboratory = laboratory
    pipeline = try laboratory.pipeline
  }

  /// The dictionaries.
  public var dictionaries: [BlockName: DictionaryFolder] { laboratory.dictionaries }

  /// Runs a scene and keeps the run, for edits that are known later; gives the codes of these blocks' updates.
  ///
  /// - Throws: as `Pipeline.sample`; `WidthMismatch`.
  @discardableResult
  public func run(_ scene: Scene, watching blocks: [BlockName]) throws -> [BlockName: Codes] {
    let run = try laboratory.run(scene.prompt, scene.settings, watching: blocks)
    kept[scene] = run
    return try Dictionary(uniqueKeysWithValues: blocks.map { ($0, try laboratory.codes(of: $0, in: run)) })
  }

  /// The strongest features of blocks on a scene, whose run is kept.
  ///
  /// - Throws: as `run`.
  public func strongest(_ count: Int, on scene: Scene, of blocks: [BlockName]) throws
    -> [(block: BlockName, features: [Int])]
  {
    let codes = try run(scene, watching: blocks)
    return blocks.map { block in
      guard let own = codes[block], let dictionary = dictionaries[block] else {
        preconditionFailure("no dictionary of \(block)")
      }
      return (block, ActiveFeature.strongest(count, in: own, of: block, dictionary).map(\.feature))
    }
  }

  /// How much lists of edits change the latents of a scene: the root mean square of the difference, and 0 where it
  /// is no finite number.
  ///
  /// - Throws: as `Pipeline.sample`; `EditError`.
  public func changes(of scene: Scene, by lists: [[Edit]]) throws -> [Double] {
    let interventions = try laboratory.interventions(lists.map { try EditList($0) }, scene.settings)
    let base = try kept[scene] ?? laboratory.run(scene.prompt, scene.settings, for: interventions)
    return interventions.map { intervention in
      defer { advance() }
      let edited = base.run(intervention).latents
      let squares = zip(edited.elements, base.trace.latents.elements).reduce(0.0) { sum, pair in
        let change = Double(pair.0) - Double(pair.1)
        return sum + change * change
      }
      let change = (squares / Double(edited.shape.count)).squareRoot()
      return change.isFinite ? change : 0
    }
  }

  /// Announces panels, each as often as it will be asked for.
  ///
  /// - Throws: `EditError` for an edit that cannot be done.
  public func prepare(_ panels: [Panel]) throws {
    for panel in panels {
      for shot in panel.shots {
        uses[shot, default: 0] += 1
        guard uses[shot] == 1 else { continue }
        if shot.edits.isEmpty {
          pending[shot.scene, default: Pending()].isBaseWanted = true
        } else {
          let intervention = try laboratory.interventions([EditList(shot.edits)], shot.scene.settings)[0]
          pending[shot.scene, default: Pending()].edited.append((shot, intervention))
        }
      }
      guard let block = panel.block else { continue }
      let key = MapKey(scene: panel.scene, block: block)
      mapUses[key, default: 0] += 1
      if maps[key] == nil { pending[panel.scene, default: Pending()].maps.insert(block) }
    }
  }

  /// Does the runs of announced panels, of which latents and maps are kept, and finds the scales of their maps.
  ///
  /// - Throws: as `Pipeline.sample`; `WidthMismatch`.
  public func run(_ panels: [Panel]) throws {
    for panel in panels { try runPending(panel.scene) }
    for panel in panels {
      guard let (block, feature) = panel.look.scaled else { continue }
      let (key, found) = (
        FeatureKey(block: block, feature: feature), map(panel.scene, block, feature).finiteRange.upperBound
      )
      highest[key] = max(highest[key] ?? 0, found)
    }
  }

  /// Makes announced panels; an empty one stays empty.
  ///
  /// - Throws: as `Pipeline.sample`; `WidthMismatch`.
  public func render(_ panels: [Panel?]) throws -> [Grid.Drawing?] {
    let wanted = panels.compactMap(\.self)
    try run(wanted)
    for shot in wanted.flatMap(\.shots) where pictures[shot] == nil {
      guard let latents = latents.removeValue(forKey: shot) else { preconditionFailure("not announced") }
      pictures[shot] = Picture(try pipeline.picture(latents))
      advance()
    }
    var differences = panels.map { $0.flatMap(difference) }
    if let gain = differences.compactMap({ $0 }).filter({ !$0.isNone }).map(\.gain).min() {
      for index in differences.indices { differences[index]?.gain = gain }
    }
    let made = zip(panels, differences).map { panel, difference in
      difference.map { Grid.Drawing($0.picture, scale: $0.scale) } ?? panel.map(drawing)
    }
    for panel in wanted { release(panel) }
    return made
  }

  /// Does the runs of a scene that are pending.
  private func runPending(_ scene: Scene) throws {
    guard let pending = pending.removeValue(forKey: scene) else { return }
    let starts = pending.edited.compactMap(\.intervention.start?.block)
    let base =
      try kept[scene].flatMap { run in
        pending.maps.allSatisfy { run.update(of: $0) != nil } ? run : nil
      }
      ?? laboratory.run(scene.prompt, scene.settings, watching: starts + pending.maps)
    if pending.isBaseWanted {
      latents[Shot(scene: scene, edits: [])] = base.trace.latents
      advance()
    }
    for (shot, intervention) in pending.edited {
      latents[shot] = base.run(intervention).latents
      advance()
    }
    for block in pending.maps {
      maps[MapKey(scene: scene, block: block)] = try laboratory.codes(of: block, in: base)
    }
  }

  private func pictures(of panel: Panel) -> [Picture] {
    panel.shots.map { shot in
      guard let picture = pictures[shot] else { preconditionFailure("every shot was decoded") }
      return picture
    }
  }

  private func difference(_ panel: Panel) -> Difference? {
    guard panel.look == .difference else { return nil }
    let shots = pictures(of: panel)
    return Difference(shots[0], shots[1])
  }

  private func drawing(_ panel: Panel) -> Grid.Drawing {
    let picture = pictures(of: panel)[0]
    switch panel.look {
    case .plain, .difference: return Grid.Drawing(picture)
    case .heat(let block, let feature):
      let (heat, highest) = heat(block, feature)
      return Grid.Drawing(
        heat(map(panel.scene, block, feature), over: picture), scale: heat.scale(to: highest))
    case .overlay(let block, let feature):
      let (heat, highest) = heat(block, feature)
      return Grid.Drawing(heat.overlay(map(panel.scene, block, feature)), scale: heat.scale(to: highest))
    case .cold(let block, let feature):
      return Grid.Drawing(coldMap(map(panel.scene, block, feature), over: picture))
    case .area(let mask, let block):
      let size = pipeline.mapSize(of: block, panel.scene.settings)
      guard let values = mask.values(height: size.height, width: size.width) else {
        preconditionFailure("an edit with this mask would have been refused")
      }
      return Grid.Drawing(MaskOverlay()(Tensor(values, [size.height, size.width]), over: picture))
    }
  }

  /// The way to draw the maps of a feature on their common scale, and its upper end.
  private func heat(_ block: BlockName, _ feature: Int) -> (HeatMap, highest: Float) {
    let highest = highest[FeatureKey(block: block, feature: feature)] ?? 0
    var heat = heatMap
    heat.range = 0...highest
    return (heat, highest)
  }

  private func map(_ scene: Scene, _ block: BlockName, _ feature: Int) -> Tensor {
    guard let codes = maps[MapKey(scene: scene, block: block)] else { preconditionFailure("not announced") }
    let size = pipeline.mapSize(of: block, scene.settings)
    return Tensor(codes.map(of: feature), [size.height, size.width])
  }

  /// Lets go of what no panel will need again.
  private func release(_ panel: Panel) {
    for shot in panel.shots {
      uses[shot]! -= 1
      if uses[shot] == 0 { (uses[shot], pictures[shot]) = (nil, nil) }
    }
    guard let block = panel.block else { return }
    let key = MapKey(scene: panel.scene, block: block)
    mapUses[key]! -= 1
    if mapUses[key] == 0 { (mapUses[key], maps[key]) = (nil, nil) }
  }
}
