import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// What is remembered is not computed again, and is what would be computed.
@Suite struct LaboratoryTests {
  private static let blocks = [BlockName.studied[0], .studied[3]]

  @Test func nothingIsReadBeforeItIsNeeded() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: EditedModel.tinyPath, toPath: folder("model"))
    let laboratory = Laboratory(try ModelFolder(folder("model")))
    try FileManager.default.removeItem(atPath: folder("model/unet/config.json"))
    let settings = try EditedModel.settings()
    #expect(try laboratory.embeddings(of: "a cat", settings).embeddings.shape[0] == 1)
    #expect(throws: FileError.self) { try laboratory.pipeline }
  }

  @Test func guidanceTakesTheNegativePromptFirst() throws {
    let laboratory = try EditedModel.laboratory()
    let (plain, guided) = (try EditedModel.settings(), try EditedModel.settings(guidance: 5))
    let (cat, dog) = (
      try laboratory.embeddings(of: "a cat", plain), try laboratory.embeddings(of: "a dog", plain)
    )
    let both = try laboratory.embeddings(of: "a cat", negative: "a dog", guided)
    #expect(both.embeddings.elements == dog.embeddings.elements + cat.embeddings.elements)
    #expect(try laboratory.embeddings(of: "a cat", guided).embeddings.elements != both.embeddings.elements)
    #expect(
      try laboratory.embeddings(of: "a cat", negative: "a dog", plain).embeddings.elements
        == cat.embeddings.elements)
  }

  @Test func promptsSurviveTheEncoder() throws {
    let laboratory = try EditedModel.laboratory()
    let settings = try EditedModel.settings()
    let before = try laboratory.embeddings(of: "a cat", settings)
    laboratory.releaseEncoder()
    #expect(
      try laboratory.embeddings(of: "a cat", settings).embeddings.elements == before.embeddings.elements)
    #expect(
      try laboratory.embeddings(of: "a dog", settings).embeddings.elements != before.embeddings.elements)
  }

  @Test func aKeptRunServesWhatItCan() throws {
    let laboratory = try EditedModel.laboratory(keepingRuns: 1)
    let settings = try EditedModel.settings()
    let base = try laboratory.run("a cat", settings, watching: Self.blocks)
    let again = try laboratory.run("a cat", settings, watching: [Self.blocks[1]])
    #expect(laboratory.madeRuns == 1 && again.trace.latents.elements == base.trace.latents.elements)
    var other = settings
    other.seed = 43
    _ = try laboratory.run("a cat", other, watching: [Self.blocks[1]])
    #expect(laboratory.madeRuns == 2, "another seed is another run")
    _ = try laboratory.run("a cat", other, watching: Self.blocks)
    #expect(laboratory.madeRuns == 3, "a block that was not watched")
    _ = try laboratory.run("a cat", settings, watching: Self.blocks)
    #expect(laboratory.madeRuns == 4, "one run is kept")
  }

  @Test func noneIsKeptUnlessAsked() throws {
    let laboratory = try EditedModel.laboratory()
    for _ in 0..<2 { _ = try laboratory.run("a cat", EditedModel.settings(), watching: Self.blocks) }
    #expect(laboratory.madeRuns == 2)
  }
}
