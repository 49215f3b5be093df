import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Edits that are maps, against plain loops over the update; what they refuse.
@Suite struct MapEditTests {
  private let block: BlockName
  private let folder: TemporaryFolder
  init() throws {
    block = try BlockName("up.0.1")
    folder = try TemporaryFolder()
  }

  private static let (height, width, channels) = (2, 3, 32)

  private func map(_ shape: Shape, seed: Int = 7) throws -> UpdateMap {
    try UpdateMap(.random(shape, seed: seed), file: "map.safetensors")
  }

  /// What a block's update becomes in the last step, the picture of the prompt and, guided, that of the negative one.
  private func edited(
    _ operation: Edit.Operation?, steps: Int, guidance: Double, prompt: String = "cat"
  ) throws -> (negative: [Float], own: [Float]) {
    let settings = try EditedModel.settings(steps: steps, guidance: guidance)
    let edits = try EditList(operation.map { [Edit($0, at: block, steps: [steps - 1])] } ?? [])
    var hooks = HookSet()
    try Intervention(
      edits, EditedModel.dictionaries, for: EditedModel.pipeline, settings,
      patchSources: patchSources(edits, settings)
    ).add(to: &hooks)
    let recorder = Recorder()
    recorder.record([.input, .update, .output], of: block, in: &hooks)
    _ = try EditedModel.pipeline.sample(
      EditedModel.prompt(prompt, guided: settings.isGuided), settings, hooks: hooks)
    let update = try #require(recorder[block, .update, step: steps - 1])
    let elements = update.elements
    let size = elements.count / update.shape[0]
    return (Array(elements.prefix(size)), Array(elements.suffix(size)))
  }

  private func patchSources(_ edits: EditList, _ settings: RunSettings) throws -> [String: PatchSource] {
    try Dictionary(
      uniqueKeysWithValues: edits.patchSources.map { prompt, blocks in
        (
          prompt,
          try PatchSource(
            EditedModel.pipeline, EditedModel.prompt(prompt, guided: settings.isGuided), settings,
            watching: blocks)
        )
      })
  }

  private func maps(_ features: [Int], of update: [Float]) throws -> [[Float]] {
    let autoencoder = try #require(EditedModel.dictionaries[block]).autoencoder
    let codes = autoencoder.encode(Tensor(update, [Self.height * Self.width, Self.channels]))
    return features.map { codes.map(of: $0) }
  }

  private func direction(_ feature: Int) throws -> [Float] {
    let decoder = try #require(EditedModel.dictionaries[block]).autoencoder.decoder
    return Array(decoder.elements[feature * Self.channels..<(feature + 1) * Self.channels])
  }

  /// The features that are active somewhere in either, most places first.
  private func active(_ updates: [[Float]]) throws -> [Int] {
    let alive = (0..<40).filter { $0 != 20 }
    let counts = try updates.map { try maps(alive, of: $0).map { $0.count { $0 > 0 } } }
    let sums = alive.indices.map { index in counts.reduce(0) { $0 + $1[index] } }
    return alive.indices.filter { sums[$0] > 0 }.sorted { sums[$0] > sums[$1] }.map { alive[$0] }
  }

  private func expectClose(_ found: [Float], _ wanted: [Float], _ name: String) {
    #expect(found.count == wanted.count)
    let scale = wanted.map(abs).max() ?? 0
    let error = zip(found, wanted).map { abs($0 - $1) }.max() ?? .nan
    #expect(error <= 2e-6 * scale, "\(name): \(error) of \(scale)")
  }

  @Test(arguments: [(1, 0.0), (2, 3.0)], [false, true]) func aMapIsAdded(
    _ run: (steps: Int, guidance: Double), masked: Bool
  ) throws {
    let plain = try edited(nil, steps: run.steps, guidance: run.guidance)
    let weights: [Float] = masked ? [0, 1, 0.5, 0, 1, 0] : [1, 1, 1, 1, 1, 1]
    let mask: Mask = masked ? .places(try PlaceMask(height: 2, width: 3, values: weights)) : .everywhere
    for shape: Shape in [[2, 3, 32], [6, 32], [32]] {
      let map = try map(shape)
      let found = try edited(
        .addMap(map, strength: -1.5, mask: mask), steps: run.steps, guidance: run.guidance)
      let values = map.values.elements
      func wanted(_ update: [Float], _ sign: Float) -> [Float] {
        update.indices.map { update[$0] - sign * 1.5 * weights[$0 / 32] * values[$0 % values.count] }
      }
      expectClose(found.own, wanted(plain.own, 1), "\(shape)")
      if run.guidance > 1 { expectClose(found.negative, wanted(plain.negative, -1), "negative \(shape)") }
    }
  }

  @Test(arguments: [(1, 0.0), (2, 3.0)]) func otherMapsTakeTheirPlace(_ run: (steps: Int, guidance: Double))
    throws
  {
    let plain = try edited(nil, steps: run.steps, guidance: run.guidance)
    let other = try edited(nil, steps: run.steps, guidance: run.guidance, prompt: "dog")
    let whole = try edited(
      .transplant(prompt: "dog", features: nil), steps: run.steps, guidance: run.guidance)
    #expect(whole.own == other.own && whole.own != plain.own)
    if run.guidance > 1 { #expect(whole.negative == plain.negative) }
    let features = Array(try active([plain.own, other.own]).prefix(3))
    let found = try edited(
      .transplant(prompt: "dog", features: features), steps: run.steps, guidance: run.guidance)
    let (own, others) = (try maps(features, of: plain.own), try maps(features, of: other.own))
    #expect(own != others)
    var wanted = plain.own
    for (index, feature) in features.enumerated() {
      let f = try direction(feature)
      for entry in wanted.indices {
        wanted[entry] += (others[index][entry / 32] - own[index][entry / 32]) * f[entry % 32]
      }
    }
    expectClose(found.own, wanted, "transplanted")
    if run.guidance > 1 { #expect(found.negative == plain.negative) }
  }

  @Test(arguments: [(1, 0), (0, -1), (-2, 1)]) func mapsMove(_ by: (right: Int, down: Int)) throws {
    let plain = try edited(nil, steps: 1, guidance: 0)
    let features = Array(try active([plain.own]).prefix(2))
    let found = try edited(
      .move(features: features, right: by.right, down: by.down), steps: 1, guidance: 0)
    let own = try maps(features, of: plain.own)
    var wanted = plain.own
    for (index, feature) in features.enumerated() {
      let f = try direction(feature)
      var moved = [Float](repeating: 0, count: 6)
      for row in 0..<2 {
        for column in 0..<3 where 0..<2 ~= row + by.down && 0..<3 ~= column + by.right {
          moved[(row + by.down) * 3 + column + by.right] = own[index][row * 3 + column]
        }
      }
      for entry in wanted.indices {
        wanted[entry] += (moved[entry / 32] - own[index][entry / 32]) * f[entry % 32]
      }
    }
    #expect(found.own != plain.own)
    expectClose(found.own, wanted, "moved")
  }

  // A run that begins at the edit equals a whole one bit for bit, in some steps and in all, guided or not.
  @Test(arguments: BlockName.sdxl, [0.0, 3.0]) func runsBeginAtTheEdit(_ block: BlockName, guidance: Double)
    throws
  {
    let settings = try EditedModel.settings(steps: 2, guidance: guidance)
    let prompt = try EditedModel.prompt(guided: settings.isGuided)
    let size = try EditedModel.pipeline.mapSize(of: block, settings)
    let width = try #require(EditedModel.dictionaries[block]).autoencoder.width
    let map = try map([size.height, size.width, width])
    let base = try BaseRun(
      EditedModel.pipeline, prompt, settings, watching: BlockName.sdxl, atSteps: [0, 1])
    for operation: Edit.Operation in [
      .addMap(map, strength: 2, mask: .region(try Region("left"))), .transplant(prompt: "dog", features: nil),
      .transplant(prompt: "dog", features: [3, 7, 9]), .move(features: [3, 7], right: 1, down: 0),
    ] {
      for steps: Set<Int>? in [nil, [1]] {
        let edits = try EditList([Edit(operation, at: block, steps: steps)])
        let intervention = try Intervention(
          edits, EditedModel.dictionaries, for: EditedModel.pipeline, settings,
          patchSources: patchSources(edits, settings)
        )
        var hooks = HookSet()
        intervention.add(to: &hooks)
        let wanted = try EditedModel.pipeline.sample(prompt, settings, hooks: hooks)
        let found = base.run(intervention)
        expectSame(found.latents, wanted.latents, "\(operation.name) in \(steps?.count ?? 2) steps")
        // Features may be silent here.
        if edits.edits[0].features == nil { #expect(found.latents.differs(from: base.trace.latents)) }
      }
    }
  }

  @Test func aDonorMayBeARunThatIsThere() throws {
    let settings = try EditedModel.settings(steps: 1)
    let run = try BaseRun(
      EditedModel.pipeline, EditedModel.prompt("dog"), settings, watching: [block])
    let edits = try EditList([Edit(.transplant(prompt: "dog", features: nil), at: block)])
    let found = try #require(try patchSources(edits, settings)["dog"]?.update(of: block, step: 0))
    expectSame(try #require(PatchSource(run, of: block).update(of: block, step: 0)), found, "update")
  }

  // MARK: Refusals

  private func message(_ operation: Edit.Operation, patchSources: [String: PatchSource] = [:]) -> String {
    errorMessage {
      try Intervention(
        EditList([Edit(operation, at: block)]), EditedModel.dictionaries, for: EditedModel.pipeline,
        EditedModel.settings(steps: 2), patchSources: patchSources)
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let needed =
      "but the updates of up.0.1 are [2, 3, 32] in a picture of this size; make it anew for this block and size, or "
      + "give a direction [32]"
    for shape: Shape in [[3, 2, 32], [2, 3, 16], [5, 32], [16]] {
      #expect(
        message(.addMap(try map(shape), strength: 1, mask: .everywhere))
          == "edit 1 (add-map at up.0.1): 'map.safetensors' has the shape \(shape), \(needed)")
    }
    let mask = Mask.places(try PlaceMask(height: 3, width: 2, values: [1, 0, 0, 0, 0, 0]))
    #expect(
      message(.addMap(try map([32]), strength: 1, mask: mask)).contains("the mask has 3 × 2 places"))
    #expect(
      message(.addMap(try map([32]), strength: .nan, mask: .everywhere)).contains("strength is nan"))
    #expect(
      message(.move(features: [3], right: .min, down: 0))
        == "edit 1 (move at up.0.1): it moves by -9223372036854775808,0, which leaves nothing on the map of up.0.1, "
        + "2 × 3 places; move by less")
    #expect(
      message(.transplant(prompt: "dog", features: nil))
        == "edit 1 (transplant at up.0.1): the run of \"dog\" in step 0 is needed, but nobody made it; hand it over "
        + "with the edits")
    #expect(
      message(.transplant(prompt: "dog", features: [40])).contains("there is no feature 40; the dictionary"))
    #expect(message(.transplant(prompt: "dog", features: [20])).contains("feature 20 of up.0.1 is dead"))
    #expect(
      message(.transplant(prompt: "dog", features: []))
        == "edit 1 (transplant at up.0.1): it names no features; name "
        + "those whose maps are meant")
    #expect(
      message(.move(features: [3, 7, 3], right: 1, down: 0))
        == "edit 1 (move at up.0.1): feature 3 is named twice; name it once")
    #expect(message(.move(features: [-2], right: 1, down: 0)).contains("there is no feature -2"))
    #expect(
      message(.move(features: [3], right: 0, down: 0))
        == "edit 1 (move at up.0.1): it moves by 0,0, which changes nothing; move by at least one place")
    #expect(
      message(.move(features: [3], right: 3, down: 0))
        == "edit 1 (move at up.0.1): it moves by 3,0, which leaves nothing on the map of up.0.1, 2 × 3 places; move by "
        + "less")
  }

  // MARK: Files

  @Test func editsWithMapsAreRead() throws {
    let mask = Mask.region(try Region("left"))
    let edits = try EditList([
      Edit(.addMap(map([2, 3, 32]), strength: -1.5, mask: mask), at: block, steps: [1]),
      Edit(.addMap(map([32], seed: 3), strength: 1, mask: .everywhere), at: block),
      Edit(.transplant(prompt: "a \"red\" circle", features: [7, 3]), at: block),
      Edit(.transplant(prompt: "", features: nil), at: block),
      Edit(.move(features: [3, 9], right: -1, down: 2), at: block),
    ]).writingMaps(to: folder.path)
    try edits.write(to: folder("edit.json"))
    let found = try EditList(contentsOf: folder("edit.json"))
    #expect(found == edits)
    guard case .addMap(let map, _, _) = found.edits[0].operation else { return #expect(Bool(false)) }
    expectSame(map.values, try self.map([2, 3, 32]).values, "map")
    #expect(found.patchSources.keys.sorted() == ["", "a \"red\" circle"])
    #expect(edits.edits.map(\.needsDictionary) == [false, false, true, false, true])
  }

  @Test func anotherMapInItsPlaceIsRefused() throws {
    let edits = try EditList([
      Edit(.addMap(map([32]), strength: 1, mask: .everywhere), at: block)
    ]).writingMaps(to: folder.path)
    try edits.write(to: folder("edit.json"))
    guard case .addMap(let map, _, _) = edits.edits[0].operation else { return #expect(Bool(false)) }
    let path = folder(map.file)
    try Safetensors.write([.init("map", Tensor(repeating: 1, [32]))], to: path)
    let found = try UpdateMap(contentsOf: path).fingerprint
    #expect(
      errorMessage { try EditList(contentsOf: folder("edit.json")) }
        == "'\(folder("edit.json"))' names in edit 1 the map '\(path)' of the fingerprint \(map.fingerprint), but that "
        + "file's is \(found): another map lies there; put the right one back")
  }

  @Test func filesThatAreNoMapsAreRefused() throws {
    func message(_ items: [Safetensors.Item]) throws -> String {
      try Safetensors.write(items, to: folder("m.safetensors"))
      return errorMessage { try UpdateMap(contentsOf: folder("m.safetensors")) }
        .replacing("'\(folder("m.safetensors"))' ", with: "")
    }
    let tensor = Tensor.random([2, 3], seed: 1)
    #expect(try message([.init("x", tensor)]) == "")
    #expect(try message([.init("map", tensor), .init("y", tensor)]) == "")
    #expect(try message([.init("x", tensor.reshaped([1, 1, 2, 3]))]) == "")
    #expect(try UpdateMap(contentsOf: folder("m.safetensors")).values.shape == [1, 2, 3])
    #expect(
      try message([.init("x", tensor), .init("y", tensor)])
        == "has the tensors 'x', 'y', but one alone, or one named 'map', is needed")
    #expect(
      try message([.init("x", tensor.reshaped([2, 1, 1, 3]))])
        == "has the shape [2, 1, 1, 3], but a map is [height, width, channels] or [places, channels], and a direction "
        + "[channels]")
    #expect(
      try message([.init("x", Tensor([0, .nan, .infinity], [3]))])
        == "is nan at position 1, but it must hold numbers only")
  }
}
