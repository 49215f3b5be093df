import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Panels show what their runs make, and no run is done twice.
@Suite struct DarkroomTests {
  private final class Counter {
    var encoded: [String] = []
    var pieces = 0
  }
  private static let block = BlockName.studied[0]
  private let folder: TemporaryFolder
  private let counter = Counter()
  private let darkroom: Darkroom

  init() throws {
    folder = try TemporaryFolder()
    let known = try #require(EditedModel.dictionaries[Self.block])
    var saved = SavedAutoencoder(known.autoencoder)
    (saved.block, saved.mean) = ("\(Self.block)", known.means)
    saved.deviation = known.means
    try saved.write(into: folder.path)
    let dictionary = try DictionaryFolder(folder.path)
    let counter = self.counter
    let prompts = try ["cat", "dog"].map { ($0, try EditedModel.prompt($0)) }
    darkroom = Darkroom(try EditedModel.pipeline, dictionaries: [Self.block: dictionary]) { prompt, _ in
      counter.encoded.append(prompt)
      return prompts.first { $0.0 == prompt }!.1
    }
    darkroom.advance = { counter.pieces += 1 }
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
      let base = try BaseRun(pipeline, EditedModel.prompt("dog"), scene.settings, watching: [Self.block])
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
      try darkroom.prepare(panels.compactMap(\.self))
      let made = try darkroom.develop(panels)
      #expect(made[0] == HeatMap()(map, over: before))
      #expect(made[1] == nil)
      #expect(made[2] == before)
      #expect(made[3] == after)
      #expect(made[4] == Difference.absolute(before, after))
      #expect(made[5] == ColdMap()(map, over: before))
      #expect(made[6].map { $0 != before } == true)
      let overlay = try #require(made[7])
      #expect(overlay.channels == 4 && overlay.width == map.shape[1] && overlay.height == map.shape[0])
      for (index, value) in map.elements.enumerated() {
        #expect((overlay.samples[index * 4 + 3] == 0) == (value == 0))
      }
    }
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
    try figure.write(to: folder("figure.png"), darkroom)
    #expect(counter.encoded == ["cat", "dog"])
    #expect(counter.pieces == figure.work)
    let picture = try PNG.read(folder("figure.png"))
    #expect(picture.width > 2 * 96 && picture.height > 5 * 64)
  }

  @Test func aHeldRunServesLaterEdits() throws {
    let scene = try scene("cat")
    let codes = try darkroom.hold(scene, watching: [Self.block])
    #expect(codes[Self.block]?.rows == 6)
    for _ in 0..<2 {
      try darkroom.prepare([Panel(scene), .heat(scene, Self.block, 1)])
      #expect(try darkroom.develop([Panel(scene), .heat(scene, Self.block, 1)]).count == 2)
    }
    #expect(counter.encoded == ["cat"])
  }

  @Test func editsAreCheckedBeforeAnythingRuns() throws {
    let edits = [Edit(.modulate(feature: 1_000_000, beta: 1), at: Self.block)]
    let panel = Panel(try scene("cat"), edits)
    #expect(throws: EditError.self) { try darkroom.prepare([panel]) }
    #expect(counter.encoded.isEmpty)
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
