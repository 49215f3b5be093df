import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Features against truth, on vectors of which one channel tells what is red.
@Suite struct FactorStudyTests {
  private static let width = 6
  private static let pictures = 120

  /// A store whose channel 2 is 5 wherever something red is, above noise.
  private static func store(
    in folder: TemporaryFolder, model: String = "shapes", world: String? = nil, prompt: String? = nil,
    places: Int? = nil
  ) throws -> ActivationStore {
    var sampler = ShapesSampler(seed: 7)
    let scenes = (0..<pictures).map { _ in sampler.scene() }
    let block = ActivationManifest.Block(name: "up.0.1", width: width, mapHeight: 8, mapWidth: 8)
    let manifest = ActivationManifest(
      model: model, modelFingerprint: "0", site: "update", blocks: [block], dtype: .float32,
      pictures: pictures, picturesPerShard: pictures, places: places, seed: 42, steps: 1, guidance: 0,
      height: 256,
      width: 256, prompts: "0", world: world)
    let count = places ?? 64
    var rows = Tensor.random([pictures, 1, count, width], seed: 3, scale: 0.5)
    let red = ShapesTruth.labels.firstIndex { $0.factor == .colour && $0.value == "red" } ?? 0
    if places == nil {
      for (picture, scene) in scenes.enumerated() {
        let truth = ShapesTruth(scene, ShapesShifts(seed: 42 + picture), side: 8)
        rows.withMutableElements { x in
          for place in 0..<64 where truth.places[place] >> UInt64(red) & 1 == 1 {
            x[(picture * 64 + place) * width + 2] = 5
          }
        }
      }
    }
    try JSON.write(manifest, to: folder("manifest.json"))
    try ActivationShard.write(
      0, of: manifest,
      [
        "up.0.1": .init(
          vectors: rows, places: places.map { _ in [Int32](repeating: 0, count: pictures * count) })
      ],
      prompts: scenes.map { prompt ?? ShapesGrammar.caption($0) }, in: folder.path)
    return try ActivationStore(folder.path)
  }

  /// A dictionary whose feature 4 is channel 2 and whose others are the other channels.
  private static var dictionary: SparseAutoencoder {
    var directions = [Float](repeating: 0, count: 6 * width)
    for feature in 0..<6 { directions[feature * width + (feature == 4 ? 2 : feature == 2 ? 4 : feature)] = 1 }
    let tensor = Tensor(directions, [6, width])
    return SparseAutoencoder(
      k: 2, encoder: tensor, decoder: tensor, preBias: Tensor([width]), latentBias: Tensor([6]))
  }

  @Test func theFeatureThatTellsRedIsFound() throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(in: folder)
    var looked = 0
    let study = try FactorStudy(
      of: "up.0.1", in: store, dictionaries: [("d", Self.dictionary)]
    ) { looked += $0 }
    #expect(looked == 2 * Self.pictures && study.pictures == Self.pictures)
    #expect(study.methods.map(\.kind) == FactorStudy.Method.Kind.allCases)
    let red = try #require(ShapesTruth.labels.firstIndex { $0.factor == .colour && $0.value == "red" })
    for (kind, feature) in [(FactorStudy.Method.Kind.dictionary, 4), (.channels, 2)] {
      let method = try #require(study.methods.first { $0.kind == kind })
      for scores in [method.scores.pictures, method.scores.places] {
        let best = try #require(scores[red])
        #expect(best.feature == feature && best.measured > 0.99 && !best.isNegative, "\(kind): \(best)")
      }
      // What nothing tells is near chance.
      let star = try #require(ShapesTruth.labels.firstIndex { $0.factor == .shape && $0.value == "star" })
      #expect((method.scores.places[star]?.measured ?? 1) < 0.75)
    }
    let probe = try #require(study.methods.first { $0.kind == .probe })
    #expect((probe.scores.places[red]?.measured ?? 0) > 0.99)
    #expect((probe.scores.pictures[red]?.measured ?? 0) > 0.95)
    // Each value its own: the feature of red, however many others are near it, tells where red is.
    for kind in FactorStudy.Method.Kind.allCases {
      let method = try #require(study.methods.first { $0.kind == kind })
      let match = try #require(method.matches.places.matches[red])
      if kind == .dictionary || kind == .channels { #expect(match.figures.f1 > 0.99, "\(kind)") }
      if kind == .dictionary { #expect(match.column == 4 && match.figures.absorption == 0) }
      #expect(method.matches.hasDirections == (kind == .dictionary || kind == .random))
      #expect((method.shrinkage != nil) == (kind == .dictionary))
      let summary = try #require(method.matches.summary(of: [.colour], in: \.places))
      #expect(summary.f1.n <= Self.pictures / 2 && summary.mcc.interval?.count == 2)
    }
    let means = try #require(study.methods.last)
    #expect(means.kind == .means && (means.scores.places[red]?.measured ?? 0) > 0.99)
    // One feature tells it: more add nothing.
    #expect(study.methods[0].splitting(of: red) == 1 && study.methods[1].splitting(of: red) == nil)
    let sparse = try #require(study.methods[0].sparseProbes[1]?[red])
    #expect(sparse.features == [4] && sparse.auroc > 0.99)
    #expect(study.methods[0].sparseProbes.keys.sorted() == FactorStudy.probeSizes)
  }

  @Test func chanceHasAsManyDirectionsAsEachDictionary() throws {
    let folder = try TemporaryFolder()
    let tensor = Tensor.random([9, Self.width], seed: 1)
    let larger = SparseAutoencoder(
      k: 2, encoder: tensor, decoder: tensor, preBias: Tensor([Self.width]), latentBias: Tensor([9]))
    let study = try FactorStudy(
      of: "up.0.1", in: Self.store(in: folder),
      dictionaries: [("d", Self.dictionary), ("e", larger), ("f", Self.dictionary)])
    let random = study.methods.filter { $0.kind == .random }
    #expect(random.map(\.candidates) == [6, 9])
    // Each figure has its interval, of the pictures that it was measured on.
    for method in study.methods {
      for scores in [method.scores.pictures, method.scores.places] {
        for best in scores.compactMap(\.self) {
          let estimate = best.parts.estimate
          #expect(estimate.n == Self.pictures / 2 && estimate.value == best.measured)
          #expect(estimate.interval.map { $0[0] <= best.measured && best.measured <= $0[1] } == true)
        }
      }
    }
    let mean = try #require(study.methods[0].scores.mean(of: nil, in: \.places))
    #expect(mean.n == Self.pictures / 2 && mean.interval?.count == 2)
  }

  @Test func aConceptIsADifferenceOfMeans() throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(in: folder)
    let prompts = try store.prompts()
    let has = ConceptMap.says("RED", prompts)
    #expect(has == prompts.map { $0.split(separator: " ").contains("red") } && has.contains(true))
    #expect(
      ConceptMap.says("the left", ["on the left, on a pink", "the, Left!", "left", "a lefthanded"]) == [
        true, true, false, false,
      ])
    var seen = 0
    let map = try ConceptMap(of: "red", at: "up.0.1", in: store, has) { seen += 1 }
    let activations = try store.activations(of: "up.0.1")
    var sums = [[Double]](repeating: Array(repeating: 0, count: 64 * Self.width), count: 2)
    for picture in 0..<Self.pictures {
      let update = try activations.rows(ofPicture: picture).elements
      for index in update.indices { sums[has[picture] ? 1 : 0][index] += Double(update[index]) }
    }
    let (with, without) = (has.count { $0 }, has.count { !$0 })
    #expect(map.with == with && map.without == without && seen == Self.pictures)
    #expect(map.values.shape == [8, 8, Self.width])
    let wanted = zip(sums[1], sums[0]).map { $0 / Double(with) - $1 / Double(without) }
    expectClose(map.values.elements.map(Double.init), wanted, within: 1e-6)
    #expect(
      errorMessage { try ConceptMap(of: "x", at: "up.0.1", in: store, has.map { _ in true }) }
        == "'x' is said by 120 of the 120 prompts of '\(folder.path)', but some must say it and some not; choose other "
        + "words or another store")
    let partly = try TemporaryFolder()
    #expect(
      errorMessage { try ConceptMap(of: "red", at: "up.0.1", in: Self.store(in: partly, places: 4), has) }
        == "'\(partly.path)' keeps only some places of each map, but a map needs all; record another without --sample-places"
    )
  }

  @Test func absorptionIsThatOfTheCodesOfTheStore() throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(in: folder)
    let tensor = Tensor.random([9, Self.width], seed: 1)
    let larger = SparseAutoencoder(
      k: 3, encoder: tensor, decoder: tensor, preBias: Tensor([Self.width]), latentBias: Tensor([9]))
    var seen = 0
    // In either order: the smaller one is asked for.
    let found = try [[Self.dictionary, larger], [larger, Self.dictionary]].map {
      try Absorption($0, at: "up.0.1", in: store, limit: 7) { seen += 1 }.shares
    }
    let activations = try store.activations(of: "up.0.1")
    let rows = Tensor.stacked(try (0..<7).map { try activations.rows(ofPicture: $0) })
    let wanted = Absorption(
      (Self.dictionary.decoder, Self.dictionary.encode(rows)), (larger.decoder, larger.encode(rows))
    ).shares
    #expect(found == [wanted, wanted] && wanted.count == 6 && seen == 14)
    let narrow = SparseAutoencoder(
      k: 1, encoder: Tensor([3, 4]), decoder: Tensor([3, 4]), preBias: Tensor([4]), latentBias: Tensor([3]))
    #expect(throws: WidthMismatch.self) { try Absorption([narrow, larger], at: "up.0.1", in: store) }
  }

  @Test func storesWithoutTruthAreRefused() throws {
    func refuse(_ store: ActivationStore) -> String {
      do {
        _ = try FactorStudy(of: "up.0.1", in: store, dictionaries: [("d", Self.dictionary)])
        return "accepted"
      } catch { return "\(error)" }
    }
    let folders = try (0..<4).map { _ in try TemporaryFolder() }
    defer { withExtendedLifetime(folders) {} }
    #expect(refuse(try Self.store(in: folders[0], model: "sdxl")).contains("is of the model sdxl"))
    #expect(refuse(try Self.store(in: folders[3], model: "mine", world: "shapes")) == "accepted")
    #expect(
      refuse(try Self.store(in: folders[1], prompt: "a red house")).contains(
        "has the prompt \"a red house\", which is no caption of its grammar"))
    #expect(refuse(try Self.store(in: folders[2], places: 4)).contains("keeps only 4 places of a map"))
  }

  @Test func aDictionaryOfAnotherWidthIsRefused() throws {
    let folder = try TemporaryFolder()
    let other = Tensor([3, 4])
    let dictionary = SparseAutoencoder(
      k: 1, encoder: other, decoder: other, preBias: Tensor([4]), latentBias: Tensor([3]))
    #expect(throws: WidthMismatch.self) {
      try FactorStudy(of: "up.0.1", in: Self.store(in: folder), dictionaries: [("d", dictionary)])
    }
  }

  // MARK: Phrases

  @Test func phrasesAreCaptionsThatSayLittle() {
    let phrases = ShapesPhrases.all
    #expect(Set(phrases).count == phrases.count)
    #expect(
      phrases.first == "a circle" && phrases.contains("a small red star")
        && phrases.contains("a ring on the left"))
    #expect(phrases.last == "an empty cream background")
    for phrase in phrases {
      let reading = ShapesGrammar.read(phrase)
      #expect(reading.isCaption && reading.scene.objects.count <= 1, "\(phrase)")
    }
  }

  @Test func theNearestPhraseIsFound() {
    let texts = UnitVectors(Tensor([1, 0, 0, 1, 1, 1], [3, 2]))
    #expect(ShapesPhrases.nearest(to: Tensor([2, 2.2, 3, 2.9], [2, 2]), among: texts) == 2)
    #expect(ShapesPhrases.nearest(to: Tensor([0, 7], [1, 2]), among: texts) == 1)
    #expect(ShapesPhrases.nearest(to: Tensor([0, 2]), among: texts) == nil)
  }
}
