import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// Pictures that are made once and read afterwards.
@Suite struct PictureArchiveTests {
  private let folder: TemporaryFolder
  private let archive: PictureArchive
  private let block: BlockName

  init() throws {
    folder = try TemporaryFolder()
    archive = try PictureArchive(
      EditedModel.laboratory(), folder: folder("cache"))
    block = try BlockName("up.0.1")
  }

  @Test func aPictureIsThatOfItsRun() throws {
    let settings = try EditedModel.settings()
    let picture = try archive.picture(PictureArchive.Request("a cat", settings))
    let laboratory = archive.laboratory
    let trace = try laboratory.pipeline.sample(laboratory.embeddings(of: "a cat", settings), settings)
    #expect(picture == Picture(try laboratory.pipeline.picture(trace.latents)))
    #expect(archive.made == 1)
  }

  @Test func nothingIsMadeTwice() throws {
    let settings = try EditedModel.settings()
    let edits = try EditList([Edit(.modulate(feature: 3, beta: 40), at: block)])
    let first = try archive.pictures("a cat", settings, edits: [nil, edits])
    #expect(archive.made == 2)
    #expect(first[0] != first[1])
    let again = try PictureArchive(
      EditedModel.laboratory(), folder: folder("cache"))
    #expect(try again.pictures("a cat", settings, edits: [nil, edits]) == first)
    #expect(again.made == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder("cache")).count == 2)
    // An empty list is no edit.
    #expect(try again.picture(.init("a cat", settings, edits: try EditList([]))) == first[0])
    #expect(again.made == 0)
  }

  @Test func whateverDecidesAPictureMakesAnother() throws {
    let settings = try EditedModel.settings()
    var other = settings
    other.seed = 43
    for request in [
      PictureArchive.Request("a cat", settings), .init("a dog", settings), .init("a cat", other),
      .init("a cat", settings, edits: try EditList([Edit(.ablate, at: block)])),
      .init("a cat", settings, edits: try EditList([Edit(.reconstruct, at: block)])),
    ] { _ = try archive.picture(request) }
    #expect(archive.made == 5)
    // Edits through another dictionary are other edits; without edits it does not matter.
    let without = try PictureArchive(
      Laboratory(ModelFolder(EditedModel.tinyPath)), folder: folder("cache"))
    _ = try without.picture(.init("a cat", settings))
    #expect(without.made == 0)
  }

  @Test func aDamagedFileIsMadeAgain() throws {
    let settings = try EditedModel.settings()
    let picture = try archive.picture(.init("a cat", settings))
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder("cache")).first)
    try folder.write([1, 2, 3], to: "cache/\(name)")
    #expect(try archive.picture(.init("a cat", settings)) == picture)
    #expect(archive.made == 2)
    #expect(try PNG.read(folder("cache/\(name)")) == picture)
  }

  @Test func aFolderThatCannotBeMadeIsSaid() throws {
    try folder.write([1], to: "file")
    #expect(throws: FileError.self) {
      try PictureArchive(Laboratory(ModelFolder(EditedModel.tinyPath)), folder: folder("file/cache"))
    }
  }
}
