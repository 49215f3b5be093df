import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Panels show what their runs make, and no run is done twice.
@Suite struct FigureRendererTests {
  private final class Counter { var pieces = 0 }
  private static let block = BlockName.studied[0]
  private let folder: TemporaryFolder
  private let counter = Counter()
  private let renderer: FigureRenderer

  init() throws {
    folder = try TemporaryFolder()
    let known = try #require(EditedModel.dictionaries[Self.block])
    var saved = SavedAutoencoder(known.autoencoder)
    (saved.block, saved.mean) = ("\(Self.block)", known.means)
    saved.deviation = known.means
    try saved.write(into: folder.path)
    let dictionary = try DictionaryFolder(folder.path)
    let counter = self.counter
    renderer = try FigureRenderer(
      Laboratory(ModelFolder(EditedModel.tinyPath), dictionaries: [Self.block: dictionary]))
    renderer.advance = { counter.pieces += 1 }
  }

  private func scene(_ prompt: String) throws -> Scene { Scene(prompt, try EditedModel.settings()) }

  /// The feature that is active at most places of a scene.
  private func feature(of base: BaseRun) throws -> (Int, Tensor) {
    let update = try #require(base.update(of: Self.block))
    let codes = try #require(EditedModel.dictionaries[Self.block]).autoencoder.encode(update)
    var places: [Int: Int] = [:]
    codes.forEachActive { _, feature, _ in places[feature, default: 0] += 1 }
    let most = try #require(places.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key)
    let size = try EditedModel.pipeline.mapSize(of: Self.block, EditedModel.settings())
    return (most, Tensor(codes.map(of: most), [size.height, size.width]))
  }

  @Test func panelsShowTheirRuns() throws {
    try withThreads(2) {
      let (pipeline, scene) = (try EditedModel.pipeline, try scene("dog"))
      let base = try renderer.laboratory.run("dog", scene.settings, watching: [Self.block])
      let (feature, map) = try feature(of: base)
      let edits = [Edit(.modulate(feature: feature, beta: -6), at: Self.block)]
      let before = Picture(try pipeline.picture(base.trace.latents))
      let after = Picture(
        try pipeline.picture(base.run(EditList(edits), EditedModel.dictionaries).latents))
      #expect(before != after)
      let mask = Mask.region(try Region("left"))
      let panels: [Panel?] = [
        .heat(scene, Self.block, feature), nil, Panel(scene), Panel(scene, edits),
        Panel(scene, edits, look: .difference), Panel(scene, look: .cold(Self.block, feature: feature)),
        Panel(scene, look: .area(mask, Self.block)),
        Panel(scene, look: .overlay(Self.block, feature: feature)),
      ]
      try renderer.prepare(panels.compactMap(\.self))
      let made = try renderer.render(panels)
      var heat = HeatMap.ofFigures
      heat.range = 0...map.finiteRange.upperBound
      #expect(made[0]?.picture == heat(map, over: before))
      #expect(made[0]?.scale == heat.scale(to: map.finiteRange.upperBound))
      #expect(made[1] == nil)
      #expect(made[2] == Grid.Drawing(before))
      #expect(made[3] == Grid.Drawing(after))
      let difference = Difference(before, after)
      #expect(made[4] == Grid.Drawing(difference.picture, scale: difference.scale))
      #expect(made[5] == Grid.Drawing(ColdMap()(map, over: before)))
      #expect(made[6].map { $0.picture != before } == true)
      let overlay = try #require(made[7]).picture
      #expect(overlay.channels == 4 && overlay.width == map.shape[1] && overlay.height == map.shape[0])
      for (index, value) in map.elements.enumerated() {
        #expect((overlay.samples[index * 4 + 3] == 0) == (value == 0))
      }
    }
  }

  /// The maps of a feature over several pictures have one scale, and differences side by side one gain.
  @Test func whatIsComparedHasOneScale() throws {
    let (cat, dog) = (try scene("cat"), try scene("dog"))
    let base = try renderer.laboratory.run("dog", dog.settings, watching: [Self.block])
    let (feature, _) = try feature(of: base)
    let ablated = [Edit(.ablate, at: Self.block)]
    let small = [Edit(.modulate(feature: feature, beta: 0.1), at: Self.block)]
    let rows = [
      [Panel.heat(cat, Self.block, feature)], [.heat(dog, Self.block, feature)],
      [Panel(cat, ablated, look: .difference), Panel(cat, small, look: .difference)],
    ]
    try renderer.prepare(rows.flatMap(\.self))
    try renderer.run(rows.flatMap(\.self))
    let made = try rows.map { try renderer.render($0).compactMap { $0?.scale } }
    #expect(made[0] == made[1])
    #expect(made[2].count == 2)
    let gains = Set(made[2].map(\.low)).subtracting(["no difference"])
    #expect(gains.count == 1)
  }

  /// Trials order edits by how much they do, and what is no number does nothing.
  @Test func changesGrowWithTheEdits() throws {
    let scene = try scene("dog")
    let base = try renderer.laboratory.run("dog", scene.settings, watching: [Self.block])
    let (feature, _) = try feature(of: base)
    func modulated(_ beta: Double) -> [Edit] {
      [Edit(.modulate(feature: feature, beta: beta), at: Self.block)]
    }
    let changes = try renderer.changes(of: scene, by: [modulated(0), modulated(0.5), modulated(-6)])
    #expect(changes[0] == 0 && 0 < changes[1] && changes[1] < changes[2], "\(changes)")
    #expect(renderer.laboratory.madeRuns == 2 && counter.pieces == 3)
    let chosen = try EffectiveFeatures.added(
      2, of: [0, 1, 2, feature], to: [scene], of: Self.block, strength: 5, renderer)
    #expect(chosen.count == 2 && Set(chosen).count == 2)
    let again = try EffectiveFeatures.added(
      2, of: [feature, 2, 1, 0], to: [scene], of: Self.block, strength: 5, renderer)
    #expect(chosen == again, "the order of the candidates decides nothing")
    let painted = try EffectiveFeatures.added(
      [0, 1], to: scene, on: [.everywhere, .everywhere, .everywhere], of: Self.block, strength: 5, renderer)
    #expect(painted.sorted() == [0, 1], "none twice, and fewer where there are fewer")
  }

  @Test func nothingIsMadeTwice() throws {
    let (cat, dog) = (try scene("cat"), try scene("dog"))
    let ablated = [Edit(.ablate, at: Self.block)]
    let panels = [
      Panel(cat), Panel(dog), Panel(cat, ablated), Panel(cat, ablated, look: .difference), Panel(cat),
    ]
    let figure = Figure(
      title: "", rows: panels.map { Figure.Row("", [Figure.Cell($0), Figure.Cell()]) }, cellWidth: 96)
    #expect(figure.work == 6)
    try figure.write(to: folder("figure.png"), renderer)
    #expect(renderer.laboratory.madeRuns == 2)
    #expect(counter.pieces == figure.work)
    let picture = try PNG.read(folder("figure.png"))
    #expect(picture.width > 2 * 96 && picture.height > 5 * 64)
  }

  @Test func aHeldRunServesLaterEdits() throws {
    let scene = try scene("cat")
    let codes = try renderer.run(scene, watching: [Self.block])
    #expect(codes[Self.block]?.rows == 6)
    for _ in 0..<2 {
      try renderer.prepare([Panel(scene), .heat(scene, Self.block, 1)])
      #expect(try renderer.render([Panel(scene), .heat(scene, Self.block, 1)]).count == 2)
    }
    #expect(renderer.laboratory.madeRuns == 1)
  }

  @Test func editsAreCheckedBeforeAnythingRuns() throws {
    let edits = [Edit(.modulate(feature: 1_000_000, beta: 1), at: Self.block)]
    let panel = Panel(try scene("cat"), edits)
    #expect(throws: EditError.self) { try renderer.prepare([panel]) }
    #expect(renderer.laboratory.madeRuns == 0)
  }

  @Test func promptsAreListedOnce() throws {
    var figure = Figure(title: "")
    figure.cite(try scene("a cat\nwith a hat"), block: Self.block, feature: 12)
    figure.cite(try scene("dog"))
    figure.cite(try scene("dog"))
    #expect(
      figure.promptTable
        == """
        Block     Feature  Seed  Prompt
        down.2.1  12       42    a cat with a hat
        –         –        42    dog

        """)
  }
}
