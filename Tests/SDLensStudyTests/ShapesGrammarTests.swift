import Foundation
import SDLensCore
import SDLensShapes
import SDLensStudy
import SDLensTestSupport
import Testing

/// Captions and their scenes, against `Scripts/shapes/world.py`.
@Suite struct ShapesGrammarTests {
  private static let goldens = Result { try WorldGoldens.load() }

  @Test func captionsAreThoseOfPython() throws {
    let goldens = try Self.goldens.get()
    #expect(goldens.scenes.count == 300 && goldens.forms.count == 188)
    for golden in goldens.scenes + goldens.forms {
      #expect(ShapesGrammar.caption(golden.scene) == golden.caption)
      #expect(ShapesSampler.isHeldOut(golden.caption) == golden.held_out, "\(golden.caption)")
    }
  }

  @Test func everyCaptionIsReadBack() throws {
    let goldens = try Self.goldens.get()
    for golden in goldens.scenes + goldens.forms {
      let reading = ShapesGrammar.read(golden.caption)
      #expect(reading.scene == golden.scene, "\(golden.caption)")
      #expect(reading.isCaption && reading.unknown.isEmpty, "\(golden.caption)")
    }
  }

  @Test func truthNamesTheDefaults() throws {
    let goldens = try Self.goldens.get()
    for golden in goldens.scenes + goldens.forms {
      let truth = golden.scene.truth
      #expect(truth.background?.value == golden.ground)
      let values = truth.objects.map { object in
        Dictionary(uniqueKeysWithValues: object.map { ($0.factor.rawValue, $0.value) })
      }
      #expect(values == golden.values, "\(golden.caption)")
    }
  }

  @Test func otherTextIsReadAsFarAsItGoes() {
    let reading = ShapesGrammar.read(
      "A Large  RED dragon circle on the left, near a grey-ish house and a dragon!")
    #expect(reading.scene == ShapesScene([.init(.circle, colour: .red, size: .large, place: .left)]))
    #expect(reading.unknown == ["dragon", "near", "grey", "ish", "house"])
    #expect(!reading.isCaption)
  }

  @Test(
    arguments: [
      ("a red circle", "a red circle", true), ("A RED CIRCLE.", "a red circle", true),
      ("red circle", "a red circle", false), ("a circle, red", "a circle", false),
      ("on the left a star", "a star on the left", false),
      ("a star on a white background", "a star", false),
      ("a star and a ring and a cross at the top", "a star and a ring", false),
      ("background pink", "", false), ("a pink background", "an empty pink background", false),
      ("an red circle", "a red circle", false), (" ,", "", true),
    ]) func looseText(text: String, meaning: String, isCaption: Bool)
  {
    let reading = ShapesGrammar.read(text)
    #expect(ShapesGrammar.caption(reading.scene) == meaning)
    #expect(reading.isCaption == isCaption)
    #expect(reading.unknown == [])
  }

  @Test(
    arguments: [
      ("grey", "gray"), ("center", "centre"), ("rectangle", nil), ("squares", "square"), ("circel", "circle"),
      ("dragon", nil), ("🏠", nil), ("stripes", "striped"), ("", nil), ("checked", "checkered"),
    ]) func suggestions(word: String, wanted: String?)
  {
    #expect(ShapesGrammar.suggestion(for: word) == wanted)
  }

  @Test func randomNumbersAreThoseOfNumPy() throws {
    for golden in try Self.goldens.get().random {
      var generator = PCG64(seed: try #require(UInt64(golden.seed)))
      #expect(golden.uniform.map { _ in generator.uniform() } == golden.uniform)
      #expect(golden.below.map { [$0[0], generator.integer(below: $0[0])] } == golden.below)
      #expect(generator.permutation(11) == golden.permutation)
      #expect(generator.uniform() == golden.again)
      #expect(golden.array.map { _ in generator.integer(below: 7) } == golden.array)
    }
  }

  // Scripts/shapes/export.py: write_prompts
  @Test func theModelsListsAreSampledToTheByte() throws {
    let goldens = try Self.goldens.get()
    var (trained, heldOut) = (ShapesSampler(seed: 100), ShapesSampler(seed: 101, heldOut: true))
    let (prompts, others) = (trained.captions(20_000), heldOut.captions(1000))
    #expect(Array(prompts.prefix(40)) == goldens.prompts)
    #expect(Array(others.prefix(40)) == goldens.held_out)
    #expect(try sha256(prompts) == goldens.prompts_sha256)
    #expect(try sha256(others) == goldens.held_out_sha256)
    #expect(Set(prompts).isDisjoint(with: others))
    #expect(Set(others).count == 1000)
  }

  /// The checksum of a file with these lines.
  private func sha256(_ lines: [String]) throws -> String {
    let folder = try TemporaryFolder()
    let path = try folder.write(lines.map { $0 + "\n" }.joined().utf8, to: "lines.txt")
    let (process, answer) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
    process.arguments = [path]
    process.standardOutput = answer
    try process.run()
    let data = answer.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(String(decoding: data, as: UTF8.self).prefix(64))
  }
}
