import Foundation
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Testing

/// What `--clip`, `--lpips` and `--sentences` find.
@Suite struct PerceptionModelTests {
  private let home: TemporaryFolder

  init() throws { home = try TemporaryFolder() }

  @Test func foldersAndModelsInTheCacheAreFound() throws {
    try home.write(Array("abc".utf8), to: "hub/models--owner--model/refs/main")
    try home.write([1], to: "hub/models--owner--model/snapshots/abc/config.json")
    let environment = ["HF_HUB_CACHE": home("hub")]
    #expect(
      try PerceptionModel.clip.folder("owner/model", environment: environment)
        == home("hub/models--owner--model/snapshots/abc"))
    #expect(try PerceptionModel.lpips.folder(home.path, environment: [:]) == home.path)
  }

  @Test(arguments: [
    (
      PerceptionModel.clip, "owner/other",
      "'owner/other' is neither a folder nor in the local cache 'HOME'; download it with: hf download owner/other "
        + "--include '*.json' --include '*.txt' --include 'model*.safetensors'"
    ),
    (
      .lpips, "owner/other",
      "'owner/other' is neither a folder nor in the local cache 'HOME'; --lpips takes a folder made by "
        + "Scripts/export_lpips.py"
    ),
    (
      .sentences, "none",
      "there is no folder 'none'; --sentences takes a folder in transformers layout or a Hugging Face id such as "
        + "sentence-transformers/all-MiniLM-L6-v2"
    ),
    (
      .clip, "HOME/file",
      "'HOME/file' is a file; --clip takes a folder in transformers layout or a Hugging Face id such as "
        + "openai/clip-vit-large-patch14"
    ),
  ])
  func whatIsNotThereSaysHowToGetIt(_ model: PerceptionModel, _ name: String, _ message: String) throws {
    try home.write([1], to: "file")
    let found = errorMessage {
      try model.folder(name.replacing("HOME", with: home.path), environment: ["HF_HUB_CACHE": home.path])
    }
    #expect(found.replacing(home.path, with: "HOME") == message)
  }
}
