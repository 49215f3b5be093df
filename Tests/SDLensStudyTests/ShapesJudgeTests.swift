import Foundation
import SDLensCore
import SDLensShapes
import SDLensStudy
import SDLensTestSupport
import Testing

/// The judge, against `Scripts/shapes/classifier.py`.
@Suite struct ShapesJudgeTests {
  private let seeded: SeededJudge
  private let tensors: Safetensors

  init() throws {
    seeded = try SeededJudge.read()
    tensors = try Goldens().tensors("judge.safetensors")
  }

  /// The pictures of the reference, [n, 256, 256, 3] in 0…1: each pixel of the file four times as wide and high.
  private func pictures() throws -> Tensor {
    let small = try tensors.channelsLast("pictures").scaled(by: 0.5, plus: 0.5)
    let (count, side) = (small.shape[0], small.shape[1])
    var large = Tensor(uninitialized: [count, 4 * side, 4 * side, 3])
    large.withMutableElements { y in
      for index in y.indices {
        let (pixel, channel) = (index / 3, index % 3)
        let (picture, row, column) = (
          pixel / (16 * side * side), pixel / (4 * side) % (4 * side), pixel % (4 * side)
        )
        y[index] = small[((picture * side + row / 4) * side + column / 4) * 3 + channel]
      }
    }
    return large
  }

  // torch.nn.functional.interpolate(x, size=(5, 4), mode="area")
  @Test func areasAreAveragedAsInPyTorch() throws {
    let found = try tensors.channelsLast("area.x").areaMean(height: 5, width: 4)
    try tensors.expect(found, equals: "area.y", within: 1e-6)
  }

  // Classifier(…)(shrink(pictures))
  @Test(arguments: EngineChoice.engines) func logitsAreThoseOfPyTorch(_ engine: EngineChoice) throws {
    let folder = try seeded.folder()
    let judge = try ShapesJudge(folder: folder.path, engine: engine.engine)
    let found = judge.logits(try pictures())
    let names = ["present", "shape", "colour", "size", "texture"]
    for (name, logits) in zip(names, [found.present] + found.answers) {
      let wanted = try tensors.tensor(name)
      expectClose(logits.reshaped(wanted.shape), wanted, within: 1e-4, name)
    }
    expectClose(found.background, try tensors.tensor("background"), within: 1e-4, "background")
  }

  // classifier.judge(…)
  @Test func answersAreRightWhereThoseOfTheReferenceAre() throws {
    let folder = try seeded.folder()
    let verdicts = try ShapesJudge(folder: folder.path)(pictures())
    var found: [String: [Bool]] = [:]
    for (verdict, caption) in zip(verdicts, seeded.captions) {
      for (factor, right) in verdict.right(for: ShapesGrammar.read(caption).scene) {
        found[factor.rawValue, default: []] += right
      }
    }
    #expect(found == seeded.right)
    // A reference that is always right or wrong would not tell.
    #expect(seeded.right["size"]?.contains(true) == true && seeded.right["size"]?.contains(false) == true)
  }

  @Test func verdictsAreProbabilities() throws {
    let folder = try seeded.folder()
    let verdict = try ShapesJudge(folder: folder.path)(pictures())[1]
    #expect(abs(verdict.backgrounds.reduce(0, +) - 1) < 1e-9 && verdict.backgrounds.count == 7)
    for factor in [ShapesWorld.Factor.shape, .colour, .size, .texture] {
      for place in ShapesWorld.Place.allCases {
        let values = ShapesWorld.FactorValue.all.filter { $0.factor == factor }
        let sum = values.reduce(0) { $0 + verdict.probability(of: $1, at: place) }
        #expect(abs(sum - verdict.presence(at: place)) < 1e-9)
      }
    }
    let top = try #require(ShapesWorld.FactorValue.all.first { $0.description == "place top" })
    #expect(verdict.probability(of: top, at: .left) == verdict.presence(at: .top))
  }

  /// A picture of which the judge is sure.
  private func verdict(_ object: ShapesScene.Object?, background: Int) -> ShapesVerdict {
    let object = object?.resolved
    func one(_ index: Int?, of count: Int) -> [Double] { (0..<count).map { $0 == index ? 1 : 0 } }
    let answers = [ShapesWorld.Factor.shape, .colour, .size, .texture].map { factor in
      let values = [
        object?.shape.rawValue, object?.colour?.rawValue, object?.size?.rawValue, object?.texture?.rawValue,
      ]
      let index = factor.values.firstIndex { values.contains($0) }
      return (factor, ShapesWorld.Place.allCases.map { _ in one(index, of: factor.values.count) })
    }
    return ShapesVerdict(
      presence: ShapesWorld.Place.allCases.map { $0 == object?.place ? 1 : 0 },
      answers: Dictionary(uniqueKeysWithValues: answers), backgrounds: one(background, of: 7))
  }

  @Test func defaultsAreMeantWhereTheCaptionIsSilent() {
    let scene = ShapesScene([ShapesScene.Object(.ring, colour: .blue)])
    let right = verdict(ShapesScene.Object(.ring, colour: .blue, size: .large), background: 0).right(
      for: scene)
    #expect(right.count == 6 && right.values.allSatisfy { $0 == [true] })
    let wrong = verdict(ShapesScene.Object(.star, size: .small, place: .top), background: 1).right(for: scene)
    #expect(wrong[.texture] == [true])
    #expect(wrong.filter { $0.value == [false] }.count == 5)
    // Nothing is asked of objects that are not there.
    let blank = verdict(nil, background: 6).right(for: .blank)
    #expect(blank[.shape] == [] && blank[.place] == [true] && blank[.background] == [true])
  }

  // MARK: What is refused

  @Test func wrongSettingsAreRefused() throws {
    for (old, new, message) in [
      ("\"size\": 128", "\"size\": 100", "'size' is 100, but it must be a multiple of 32"),
      ("\"size\": 128", "\"size\": 1000000000000", "'size' is 1000000000000"),
      ("\"groups\": 8", "\"groups\": 0", "'groups' is 0"),
      ("\"groups\": 8", "\"groups\": 7", "'channels' is 32, but it must be a multiple of 7"),
      ("\"window\": 8", "\"window\": 17", "'window' is 17, but it must be an integer from 2 to 16"),
      ("\"window\": 8", "\"window\": 7", "'window' is 7, but it must be a multiple of 2"),
      ("\"left\"", "\"somewhere\"", "has no 'places.left'"),
      ("\"places\"", "\"place\"", "has no 'places'"),
      ("\"purple\"", "\"violet\"", "'answers.colour' is [\"red\""),
      ("\"texture\"", "\"pattern\"", "'answers.texture' is null"),
      ("\"blank\"", "\"void\"", "'backgrounds' is"),
    ] {
      let folder = try seeded.folder(replacing: [(old, new)])
      let found = errorMessage { try ShapesJudge(folder: folder.path) }
      #expect(found.contains(message), "\(new): \(found)")
    }
    // A window that does not lie on the map.
    let folder = try seeded.folder(replacing: [("8,\n      4", "9,\n      4")])
    #expect(
      errorMessage { try ShapesJudge(folder: folder.path) }.contains(
        "'places.bottom' is [9, 4], but it must be 2 integers from 0 to 8"))
  }

  @Test func wrongWeightsAreRefused() throws {
    let missing = try seeded.folder { $0.removeAll { $0.name == "window.3.bias" } }
    #expect(errorMessage { try ShapesJudge(folder: missing.path) }.contains("'window.3.bias' is not in"))
    let more = try seeded.folder { $0.append((name: "other", tensor: Tensor([1]))) }
    #expect(errorMessage { try ShapesJudge(folder: more.path) }.contains("'other'"))
    let other = try seeded.folder(replacing: [("\"width\": 192", "\"width\": 191")])
    #expect(
      errorMessage { try ShapesJudge(folder: other.path) }.contains(
        "'window.3.weight' has shape [192, 1024], but the model needs [191, 1024]"))
  }
}
