import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// What edits refuse, and when they begin.
@Suite struct InterventionTests {
  private let block: BlockName
  init() throws { block = try BlockName("up.0.1") }

  private func intervention(
    _ operation: Edit.Operation, steps: Set<Int>? = nil,
    _ dictionaries: [BlockName: BlockDictionary] = EditedModel.dictionaries
  ) throws -> Intervention {
    try Intervention(
      EditList([Edit(operation, at: block, steps: steps)]), dictionaries, for: EditedModel.pipeline,
      EditedModel.settings(steps: 4))
  }

  private func message(
    _ operation: Edit.Operation, steps: Set<Int>? = nil,
    _ dictionaries: [BlockName: BlockDictionary] = EditedModel.dictionaries
  ) -> String { errorMessage { try intervention(operation, steps: steps, dictionaries) } }

  @Test(arguments: [Double.nan, .infinity, -.infinity, 1e7]) func strengthsMustBeNumbers(_ value: Double) {
    let needed = "but it must be a number from -1000000 to 1000000"
    #expect(
      message(.modulate(feature: 3, beta: value))
        == "edit 1 (modulate at up.0.1): beta is \(value), \(needed)")
    #expect(
      message(.add(feature: 3, strength: value, mask: .everywhere))
        == "edit 1 (add at up.0.1): strength is \(value), \(needed)")
    #expect(
      message(.emptyContext(feature: 3, gamma: value))
        == "edit 1 (empty-context at up.0.1): gamma is \(value), \(needed)")
  }

  @Test func featuresMustBeInTheDictionaryAndAlive() throws {
    #expect(
      message(.modulate(feature: 40, beta: 1))
        == "edit 1 (modulate at up.0.1): there is no feature 40; "
        + "the dictionary of up.0.1 has the features 0 to 39; choose another, as 'sdlens features' lists them"
    )
    #expect(
      message(.emptyContext(feature: -1, gamma: 1))
        == "edit 1 (empty-context at up.0.1): there is no feature -1; features are counted from 0")
    let dead = "edit 1 (modulate at up.0.1): feature 20 of up.0.1 is dead (its mean activation is "
    let advice = "); choose another, as 'sdlens features' lists them"
    #expect(message(.modulate(feature: 20, beta: 1)) == dead + "0.0" + advice)
    for mean: Float in [.nan, -1, .infinity] {
      let autoencoder = try #require(EditedModel.dictionaries[block]).autoencoder
      let dictionaries = [
        block: BlockDictionary(autoencoder, means: Tensor(repeating: mean, [autoencoder.features]))
      ]
      #expect(message(.modulate(feature: 20, beta: 1), dictionaries) == dead + "\(mean)" + advice)
    }
  }

  @Test func aStrengthInUnitsOfTheMeanNeedsOne() throws {
    let dictionaries = [
      block: BlockDictionary(try #require(EditedModel.dictionaries[block]).autoencoder, means: nil)
    ]
    #expect(
      message(.add(feature: 3, strength: 1, mask: .everywhere), dictionaries)
        == "edit 1 (add at up.0.1): the dictionary of up.0.1 does not say how active its features are on average, "
        + "which is the unit of the strength; choose one with statistics")
    #expect(message(.emptyContext(feature: 3, gamma: 1), dictionaries).contains("choose one with statistics"))
    #expect(message(.modulate(feature: 3, beta: 1), dictionaries) == "")
    #expect(message(.reconstruct, dictionaries) == "")
  }

  /// Where thresholds decide, the number of active features is a mean that somebody has measured.
  @Test func anEmptyContextOfThresholds() throws {
    var autoencoder = try #require(EditedModel.dictionaries[block]).autoencoder
    let means = Tensor(repeating: 1, [autoencoder.features])
    autoencoder.selection = .threshold(Array(repeating: 0.1, count: autoencoder.features))
    let edit = Edit.Operation.emptyContext(feature: 3, gamma: 1)
    #expect(
      message(edit, [block: BlockDictionary(autoencoder, means: means)])
        == "edit 1 (empty-context at up.0.1): its strength is in units of the active features of a vector, whose mean "
        + "number nobody has measured for this dictionary of thresholds; do it with: sdlens statistics")
    #expect(message(edit, [block: BlockDictionary(autoencoder, means: means, l0: 2.5)]) == "")
    #expect(BlockDictionary(autoencoder, means: means, l0: 2.5).l0 == 2.5)
    let k = try #require(EditedModel.dictionaries[block])
    #expect(k.l0 == k.autoencoder.k.map(Double.init))
  }

  @Test func theDictionaryMustBeThatOfTheBlock() throws {
    #expect(
      message(.reconstruct, [:])
        == "edit 1 (reconstruct at up.0.1): there is no dictionary of up.0.1; train one with "
        + "'sdlens train-sae --block up.0.1' or choose one with --sae")
    #expect(message(.modulate(feature: 3, beta: 1), [:]).contains("train one with"))
    #expect(message(.ablate, [:]) == "")
    let other = try #require(EditedModel.dictionaries[try BlockName("down.1.0")])
    #expect(
      message(.reconstruct, [block: other])
        == "edit 1 (reconstruct at up.0.1): the dictionary is of width 24, but the updates of up.0.1 are of "
        + "width 32; choose a dictionary of this model and block")
  }

  @Test(arguments: ["input", "residual", "heads.0"]) func theDictionaryMustBeOfUpdates(site: String) throws {
    let own = try #require(EditedModel.dictionaries[block])
    func dictionaries(_ site: String?) -> [BlockName: BlockDictionary] {
      [block: BlockDictionary(own.autoencoder, means: own.means, site: site)]
    }
    #expect(
      message(.reconstruct, dictionaries(site))
        == "edit 1 (reconstruct at up.0.1): edits act on a block's update, but the dictionary is of its \(site); choose one "
        + "that was trained on updates")
    #expect(message(.modulate(feature: 3, beta: 1), dictionaries(site)).contains("but the dictionary is of"))
    #expect(message(.reconstruct, dictionaries("update")) == "")
    #expect(message(.reconstruct, dictionaries(nil)) == "")
  }

  @Test func stepsMustBeThoseOfTheRun() throws {
    #expect(message(.ablate, steps: [0, 3]) == "")
    #expect(
      message(.ablate, steps: [1, 4])
        == "edit 1 (ablate at up.0.1): it acts at step 4, but the run has the steps 0 to 3; "
        + "take more steps or leave it out")
    #expect(
      message(.ablate, steps: [-1])
        == "edit 1 (ablate at up.0.1): there is no step -1; steps are counted from 0")
    #expect(message(.ablate, steps: []).contains("its set of steps is empty"))
    let edits = try EditList([Edit(.ablate, at: block, steps: [1])])
    let found = errorMessage {
      try Intervention(edits, [:], for: EditedModel.pipeline, EditedModel.settings())
    }
    #expect(found.contains("it acts at step 1, but the run has only step 0"))
  }

  @Test func aMaskMustFitTheMap() throws {
    let mask = Mask.places(try PlaceMask(height: 3, width: 2, values: [1, 0, 0, 0, 0, 0]))
    #expect(
      message(.add(feature: 3, strength: 1, mask: mask))
        == "edit 1 (add at up.0.1): the mask has 3 × 2 places, but the map of up.0.1 has 2 × 3; "
        + "make the mask anew for this picture size and block, or give a region")
  }

  @Test func theFirstEditedBlockOfTheFirstEditedStep() throws {
    let blocks = try ["up.1.1", "down.2.0", "mid.0"].map(BlockName.init)
    func start(_ steps: [Set<Int>?]) throws -> String {
      let edits = zip(blocks, steps).map { Edit(.ablate, at: $0, steps: $1) }
      let start = try Intervention(
        EditList(edits), [:], for: EditedModel.pipeline, EditedModel.settings(steps: 4)
      ).start
      return start.map { "\($0.step) \($0.block)" } ?? "never"
    }
    #expect(try start([nil, nil, nil]) == "0 down.2.0")
    #expect(try start([nil, [1], [2]]) == "0 up.1.1")
    #expect(try start([[2], [3], [2, 3]]) == "2 mid.0")
    #expect(try start([]) == "never")
  }
}
