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
    environment["HUGGINGFACE_HUB_CACHE"] = home("older")
    #expect(try fill("older") == path(environment))
    environment["HF_HUB_CACHE"] = home("hub")
    #expect(try fill("hub") == path(environment))
    environment["HF_HUB_CACHE"] = ""
    environment["HUGGINGFACE_HUB_CACHE"] = ""
    #expect(try path(environment) == home("hf/hub/models--owner--some.model/snapshots/abc123"))
  }

  // python -c 'from huggingface_hub import constants as c; print(c.HF_HUB_CACHE)' with HOME=/home/x and USER=x
  @Test(arguments: [
    (["HF_HOME": "~/hf"], "/home/x/hf/hub"), (["HF_HOME": "$HOME/hf"], "/home/x/hf/hub"),
    (["HF_HUB_CACHE": "${HOME}/$USER/c"], "/home/x/x/c"), (["HF_HUB_CACHE": "~"], "/home/x"),
    (["HUGGINGFACE_HUB_CACHE": "~/a b"], "/home/x/a b"),
    (["HF_HUB_CACHE": "/c/$NONE/${NONE}/$"], "/c/$NONE/${NONE}/$"),
    (["XDG_CACHE_HOME": "$HOME/xdg"], "/home/x/xdg/huggingface/hub"),
    (["HF_HOME": "/h/~"], "/h/~/hub"), (["HF_HOME": "/$USERé", "USER": "u"], "/ué/hub"),
    (["HF_HUB_CACHE": "~no-such-user/c"], "~no-such-user/c"),
    (["HF_HUB_CACHE": "/$A/c", "A": "$HOME"], "/$HOME/c"),
    (["HF_HUB_CACHE": "relative", "HF_HOME": "/h"], "relative"), ([:], "/home/x/.cache/huggingface/hub"),
  ])
  func namesInTheEnvironmentAreExpandedAsPythonDoes(_ environment: [String: String], _ path: String) {
    #expect(HubCache(["HOME": "/home/x", "USER": "x"].merging(environment) { $1 }).path == path)
  }

  @Test func theOnlySnapshotIsTakenWithoutAReference() throws {
    let (environment, model) = (["HF_HUB_CACHE": home("hub")], "hub/models--owner--some.model")
    let snapshot = try fill("hub")
    try FileManager.default.removeItem(atPath: home(model + "/refs"))
    #expect(try path(environment) == snapshot)
    _ = try fill("hub", revision: "abd456")
    try FileManager.default.removeItem(atPath: home(model + "/refs"))
    #expect(
      errorMessage { try path(environment) }
        == "the local cache '\(home("hub"))' has several revisions, of which none is 'main' of 'owner/some.model'; "
        + "there are abc123, abd456: name one as in owner/some.model@abc123, or download it with: hf download "
        + "owner/some.model --include '*.json' --include '*.txt' --include '*.fp16.safetensors'")
  }

  @Test func aRevisionIsABranchOrTheBeginningOfAHash() throws {
    let environment = ["HF_HUB_CACHE": home("hub")]
    let snapshots = try ["abc123", "abd456", "71153311d3dbb46851df1931d3ca6e939de83304"].map {
      try fill("hub", revision: $0)
    }
    for (name, revision) in [("fp16", "abc123"), ("v1.0", "abd456"), ("refs/pr/3", "abc123")] {
      try home.write(Array(revision.utf8), to: "hub/models--owner--some.model/refs/\(name)")
    }
    for (revision, index) in [
      ("fp16", 0), ("v1.0", 1), ("refs/pr/3", 0), ("main", 2), ("abd456", 1), ("abc1", 0), ("7115", 2),
      ("71153311D3", 2), ("71153311d3dbb46851df1931d3ca6e939de83304", 2),
    ] {
      #expect(try path(of: "owner/some.model@\(revision)", environment) == snapshots[index], "\(revision)")
    }
    // Too short, none of that name.
    for revision in ["ab", "abc", "dev", "abd4567"] {
      #expect(
        errorMessage { try path(of: "owner/some.model@\(revision)", environment) }
          == "the local cache '\(home("hub"))' has no single revision '\(revision)' of 'owner/some.model'; there are "
          + "71153311d3dbb46851df1931d3ca6e939de83304, abc123, abd456: name one as in "
          + "owner/some.model@71153311d3dbb46851df1931d3ca6e939de83304, or download it with: hf download "
          + "owner/some.model --revision \(revision) --include '*.json' --include '*.txt' "
          + "--include '*.fp16.safetensors'")
    }
    _ = try fill("hub", revision: "abc199")
    #expect(
      errorMessage { try path(of: "owner/some.model@abc1", environment) }
        .contains("there are abc123, abc199: name one"))
  }

  @Test(arguments: [
    "owner/x@", "owner/x@../y", "owner/x@a//b", "owner/x@.git", "owner/x@a b", "@owner/x", "owner@x/y",
  ])
  func whatCannotBeARevisionIsNoName(_ name: String) {
    #expect(!HubCache.isName(name))
    #expect(errorMessage { try path(of: name, [:]) }.hasPrefix("there is no folder or file '\(name)'"))
  }

  @Test func aSnapshotThatLacksPartsSaysHowToGetThem() throws {
    _ = try fill("hub")
    let snapshot = home("hub/models--owner--some.model/snapshots/abc123")
    try FileManager.default.removeItem(atPath: snapshot)
    try home.write([1], to: "hub/models--owner--some.model/snapshots/abc123/model_index.json")
    #expect(
      errorMessage { try path(["HF_HUB_CACHE": home("hub")]) }
        == "'\(snapshot)' is no complete model: it lacks scheduler, text_encoder, text_encoder_2, tokenizer, "
        + "tokenizer_2, unet, vae; download it with: hf download owner/some.model --include '*.json' "
        + "--include '*.txt' --include '*.fp16.safetensors'")
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
        + "hf download \(name) --include '*.json' --include '*.txt' --include '*.fp16.safetensors'")
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
        == "there is no folder or file '\(name)'; a model is a folder in diffusers layout, a single .safetensors file, "
        + "a Hugging Face id such as stabilityai/sdxl-turbo, or 'shapes'")
  }

  @Test func aFileIsNoModel() throws {
    let file = try home.write([1], to: "model.safetensors")
    #expect(
      errorMessage { try path(of: file, [:]) }
        == "'\(file)' is not a whole safetensors file: it has 1 bytes, but the length of the header alone takes 8; "
        + "download or write it again")
  }

  @Test func theEmbeddedModelLiesBesideTheProgram() throws {
    let model = try ModelFolder("shapes", environment: [:])
    #expect(model.name == "shapes")
    let pipeline = try Pipeline(model)
    #expect(pipeline.decoder.config.factor == 8)
  }
}
