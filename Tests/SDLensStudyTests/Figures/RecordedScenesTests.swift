import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Recorded pictures found by their features: 40 pictures, feature 0 in all, stronger from each to the next,
/// feature 1 in the first only, feature 2 in none.
@Suite struct RecordedScenesTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let autoencoder = SparseAutoencoder(
      k: 2, encoder: Tensor([3, 4]), decoder: Tensor([1, 0, 0, 0, 60, 80, 0, 0, 9, 9, 9, 9], [3, 4]),
      preBias: Tensor([4]), latentBias: Tensor([3]))
    try SavedAutoencoder(autoencoder).write(into: folder.path)
    var examples = FeatureExampleCollector(features: 3, mapShape: [1, 1, 1], keepsMaps: true)
    for picture in 0..<40 {
      let second: Float = picture == 0 ? 1 : 0
      examples.add(
        Codes(rows: 1, slots: 2, indices: [0, 1], values: [Float(picture + 1), second]), picture: picture)
    }
    try examples.result.write(to: folder("examples.safetensors"))
    let manifest = ActivationManifest(
      model: "m", modelFingerprint: "f", site: "update",
      blocks: [.init(name: "down.2.1", width: 4, mapHeight: 1, mapWidth: 1)], dtype: .float16, pictures: 40,
      picturesPerShard: 40, places: nil, seed: 100, steps: 2, guidance: 0, height: 64, width: 96, prompts: "p"
    )
    try JSON.write(manifest, to: folder("activations.json"))
    let lines = (0..<40).map { "{\"picture\": \($0), \"prompt\": \"p\($0)\"}\n" }.joined()
    try folder.write(lines.utf8, to: "pictures.jsonl")
  }

  private var scenes: RecordedScenes { get throws { try RecordedScenes(DictionaryFolder(folder.path)) } }

  @Test func strongestComeFirstAsTheyWereMade() throws {
    let found = try scenes.strongest(2, of: 0)
    #expect(found.map(\.prompt) == ["p39", "p38"])
    #expect(found[0].settings == (try RunSettings(seed: 139, steps: 2, height: 64, width: 96)))
    #expect(try scenes.strongest(5, of: 1).map(\.prompt) == ["p0"])
    #expect(try scenes.alive == [0, 1])
  }

  @Test func topIsOfTheUpperTwentieth() throws {
    // 5 % of 40 are 2.
    #expect(try scenes.top(1, of: 0).allSatisfy { ["p39", "p38"].contains($0.prompt) })
    #expect(try scenes.top(2, of: 0).map(\.prompt) == ["p39", "p38"])
    #expect(try scenes.top(3, of: 0).map(\.prompt) == ["p39", "p38", "p37"])
  }

  @Test func othersDoNotShowTheFeature() throws {
    #expect(try scenes.without(0, 5) { _ in false }.isEmpty)
    let others = try scenes.without(1, 39) { _ in false }.map(\.prompt)
    #expect(Set(others).count == 39 && !others.contains("p0"))
  }

  /// Of compact examples the ten strongest pictures of 40 are known; whether the others show the feature is looked at.
  @Test func unknownPicturesAreLookedAt() throws {
    let whole = try #require(try DictionaryFolder(folder.path).examples)
    try whole.compact.write(to: folder("examples.safetensors"))
    let silent: Set = ["p3", "p17", "p29"]
    var asked: Set<String> = []
    let found = try scenes.without(0, 3) { scene in
      asked.insert(scene.prompt)
      return silent.contains(scene.prompt)
    }
    #expect(Set(found.map(\.prompt)) == silent && asked.isDisjoint(with: ["p30", "p39"]))
    #expect(try scenes.without(0, 3) { _ in false }.isEmpty)
    // Of the other feature all is known.
    #expect(try scenes.without(1, 3) { _ in false }.count == 3)
  }

  @Test func aProgressionGoesUp() throws {
    let steps = try scenes.progression([0.9, 0.1, 0.1, 0.5], of: 0)
    // 0.1 of 40 is the activation 4, of picture 3; the second time 5 is the first of the two that are next.
    #expect(steps.map(\.scene.prompt) == ["p3", "p4", "p19", "p35"])
    #expect(steps.map(\.share) == [0.1, 0.125, 0.5, 0.9])
    #expect(try scenes.progression([0.1, 0.9], of: 1).count == 1)
  }

  /// Feature 0 is 40 and 39 strong, in all pictures, along 1; feature 1 is 1 strong, in one, along 100.
  @Test func weightIsStrengthTimesLength() throws {
    #expect(try scenes.weightiest(5) == [1, 0])
    #expect(try scenes.weightiest(1) == [1])
    #expect(try scenes.weightiest(5, activeInAtMost: 0.5) == [1])
  }

  /// A file of strengths that no map can have is refused, not drawn.
  @Test(arguments: [Float.nan, .infinity, -1]) func strengthsMustBeActivations(_ value: Float) throws {
    let path = folder("other.safetensors")
    try Safetensors.write(
      [
        .init("offsets", [0, 1, 1, 1] as [Int64], [4]), .init("pictures", [0] as [Int32], [1]),
        .init("strengths", Tensor([value], [1])),
      ], metadata: ["map": "1 1 1"], to: path)
    #expect(
      errorMessage { _ = try FeatureExamples(contentsOf: path, features: 3) }
        .contains("has strengths that are no activations; make it again with: sdlens statistics"))
  }

  @Test func whatIsNotThereIsSaid() throws {
    #expect(throws: NeverActive.self) { try scenes.strongest(1, of: 2) }
    #expect(throws: NoSuchFeature.self) { try scenes.top(1, of: 3) }
    #expect(throws: NoSuchFeature.self) { try scenes.without(-1, 1) { _ in true } }
    let bare = try TemporaryFolder()
    try DictionaryFolder(folder.path).saved.write(into: bare.path)
    #expect(throws: NoExamples.self) { try RecordedScenes(DictionaryFolder(bare.path)) }
  }
}
