import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// What `--model` finds.
@Suite struct ModelLookupTests {
  let home: TemporaryFolder

  init() throws { home = try TemporaryFolder() }

  /// Puts the tiny model into a cache folder as Hugging Face's tools do; returns the snapshot's path.
  private func fill(_ cache: String, revision: String = "abc123") throws -> String {
    let folder = "\(cache)/models--owner--some.model"
    try home.write(Array("\(revision)\n".utf8), to: "\(folder)/refs/main")
    try FileManager.default.createDirectory(
      atPath: home("\(folder)/snapshots"), withIntermediateDirectories: true)
    let snapshot = home("\(folder)/snapshots/\(revision)")
    try FileManager.default.createSymbolicLink(atPath: snapshot, withDestinationPath: TinyModel.path)
    return snapshot
  }

  private func path(of name: String = "owner/some.model", _ environment: [String: String]) throws -> String {
    try ModelFolder(name, environment: environment).path
  }

  @Test func aFolderIsTakenAsItIs() throws {
    let model = try ModelFolder(TinyModel.path, environment: [:])
    #expect(model.path == TinyModel.path && model.name == TinyModel.path)
  }

  @Test func theCacheIsLookedForWhereHuggingFaceKeepsIt() throws {
    // From the last place to the first: each is preferred to those before.
    var environment = ["HOME": home("home")]
    #expect(try fill("home/.cache/huggingface/hub") == path(environment))
    environment["XDG_CACHE_HOME"] = home("xdg")
    #expect(try fill("xdg/huggingface/hub") == path(environment))
    environment["HF_HOME"] = home("hf")
    #expect(try fill("hf/hub") == path(environment))
    environment["HF_HUB_CACHE"] = home("hub")
    #expect(try fill("hub") == path(environment))
    environment["HF_HUB_CACHE"] = ""
    #expect(try path(environment) == home("hf/hub/models--owner--some.model/snapshots/abc123"))
  }

  @Test(arguments: ["owner/other", "owner/some.model"]) func whatIsNotCachedSaysHowToGetIt(_ name: String)
    throws
  {
    // The second has a revision whose snapshot is not there.
    _ = try fill("hub")
    try home.write(Array("fedcba".utf8), to: "hub/models--owner--some.model/refs/main")
    #expect(
      errorMessage { try path(of: name, ["HF_HUB_CACHE": home("hub")]) }
        == "'\(name)' is neither a folder nor in the local cache '\(home("hub"))'; download it with: "
        + "hf download \(name) --include '*.json' '*.txt' '*.fp16.safetensors'")
  }

  @Test(arguments: ["", "../..", "abc/..", "a b"]) func aRevisionThatIsNoneLeadsNowhere(_ revision: String)
    throws
  {
    _ = try fill("hub")
    try home.write(Array(revision.utf8), to: "hub/models--owner--some.model/refs/main")
    #expect(
      errorMessage { try path(["HF_HUB_CACHE": home("hub")]) }
        .hasPrefix("'owner/some.model' is neither a folder nor in the local cache"))
  }

  @Test(arguments: ["none", "", "/nowhere/at/all", "a/b/c", "owner/", "/name", "../x", "owner/na me", "ö/x"])
  func whatCannotBeAnIdIsNoFolder(_ name: String) {
    #expect(
      errorMessage { try path(of: name, ["HF_HUB_CACHE": home.path]) }
        == "there is no folder '\(name)'; a model is a folder in diffusers layout, a Hugging Face id such as "
        + "stabilityai/sdxl-turbo, or 'shapes'")
  }

  @Test func aFileIsNoModel() throws {
    let file = try home.write([1], to: "model.safetensors")
    #expect(
      errorMessage { try path(of: file, [:]) }
        == "'\(file)' is a file; a model is a folder in diffusers layout (model_index.json, unet/, vae/, …)")
  }

  @Test func theEmbeddedModelLiesBesideTheProgram() throws {
    let model = try ModelFolder("shapes", environment: [:])
    #expect(model.name == "shapes")
    let pipeline = try Pipeline(model)
    #expect(pipeline.decoder.config.factor == 8)
  }
}
