import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `--decoder`: drafts, which say that they are.
@Suite struct DraftTests {
  private static let decoder =
    URL(fileURLWithPath: Command.tinyModel).deletingLastPathComponent().path + "/tiny-decoder"
  private static let note = "Pictures are drafts: '\(decoder)' decodes them, not the model's own decoder\n"

  private func decoderText(_ path: String) throws -> String? {
    try PNG.text(of: path).first { $0.keyword == "decoder" }?.text
  }

  @Test func aDraftSaysSo() throws {
    let folder = try TemporaryFolder()
    func generate(_ more: String...) throws -> Outcome {
      try Command.run(
        ["generate", "--prompt", "a house", "--model", Command.tinyModel] + more, in: folder)
    }
    let exact = try generate("--quiet")
    let draft = try generate("--decoder", Self.decoder)
    #expect(exact.out == "picture.png\n" && draft.out == "picture-2.png\n", "\(draft.err)")
    #expect(draft.err.contains(Self.note), "\(draft.err)")
    #expect(try decoderText(folder("picture.png")) == nil)
    let said = try #require(try decoderText(folder("picture-2.png")))
    #expect(said.wholeMatch(of: /tiny-decoder [0-9a-f]{16}/) != nil, "\(said)")
    let pictures = try ["picture.png", "picture-2.png"].map { try PNG.read(folder($0)) }
    #expect(pictures[0].width == pictures[1].width && pictures[0].samples != pictures[1].samples)
    let json = try generate(
      "--decoder", Self.decoder, "--json", "--quiet", "--output", "j.png", "--tensors", "t.safetensors")
    #expect(json.err == "" && json.out.contains("\"decoder\" : \"\(said)\""), "\(json.out)")
    #expect(try PNG.read(folder("j.png")).samples == pictures[1].samples)
    // Of a picture and of the model.
    try PNG.write(pictures[0], to: folder("bare.png"))
    #expect(
      try Command.run(["info", "bare.png"], in: folder).out
        == "texts  none: the picture does not say how it was made\n")
    let info = try Command.run(["info", "picture-2.png"], in: folder)
    #expect(info.out.contains("decoder") && info.out.contains(said))
    let model = ["info", "--model", Command.tinyModel]
    #expect(try Command.run(model, in: folder).out.contains("Decoder    the model's own\n"))
    let about = try Command.run(model + ["--decoder", Self.decoder], in: folder)
    #expect(
      about.out.contains("Decoder    \(said), for drafts\n") && about.out.contains("\ndecoder "),
      "\(about.out)")
  }

  @Test func figuresAndInterventionsSaySo() throws {
    let workspace = try TrainedWorkspace()
    let draft = ["--decoder", Self.decoder]
    for (command, file) in [
      (["visualize", "blocks", "--prompt", "a house", "--block", "mid.0", "--output", "f.png"], "f.png"),
      (["features", "--prompt", "a house", "--top", "2", "--output", "g.png"], "g.png"),
      (["visualize", "words", "--prompt", "a house", "--output", "h.png"], "h.png"),
      (
        ["intervene", "--prompt", "a house", "--ablate", "mid.0", "--output", "i"], "i/after.png"
      ),
    ] {
      let outcome = try Command.run(
        command + ["--model", Command.tinyModel, "--workspace", "w"] + draft, in: workspace.folder)
      #expect(outcome.status == 0 && outcome.err.contains(Self.note), "\(command): \(outcome.err)")
      #expect(try decoderText(workspace.folder(file))?.hasPrefix("tiny-decoder ") == true, "\(command)")
    }
    let run = try String(contentsOfFile: workspace.folder("i/run.json"), encoding: .utf8)
    #expect(run.contains("\"decoder\" : \"tiny-decoder "), "\(run)")
    // A gallery is made anew, and says so too.
    func gallery(_ more: [String]) throws -> String {
      let outcome = try Command.run(
        [
          "visualize", "gallery", "--features", "3", "--output", "g", "--model", Command.tinyModel,
          "--workspace", "w",
        ]
          + more, in: workspace.folder)
      return outcome.err.split(separator: "\n").last.map(String.init) ?? ""
    }
    #expect(try gallery([]) == "Cards made: 1, there already: 0")
    #expect(try gallery(draft) == "Cards made: 1, there already: 0")
    let page = try String(contentsOfFile: workspace.folder("g/index.html"), encoding: .utf8)
    #expect(page.contains(", drafts decoded by tiny-decoder "))
  }

  @Test func refusals() throws {
    let folder = try TemporaryFolder()
    try folder.write("{\"_class_name\": \"AutoencoderKL\"}".utf8, to: "kl/config.json")
    for (name, message) in [
      ("none", "there is no folder 'none'; --decoder takes a folder with an AutoencoderTiny of diffusers"),
      ("kl", "'kl/config.json': '_class_name' is \"AutoencoderKL\", which is not supported"),
    ] {
      let outcome = try Command.run(
        ["generate", "--prompt", "x", "--model", Command.tinyModel, "--decoder", name, "--quiet"], in: folder)
      #expect(outcome.status == 1 && outcome.err.contains(message), "\(outcome.err)")
      #expect(try folder.contents == ["kl"])
    }
    // No metric takes it.
    let outcome = try Command.run(["eval", "specificity", "--decoder", "kl"], in: folder)
    #expect(outcome.status == 64 && outcome.err.contains("Unknown option '--decoder'"), "\(outcome.err)")
  }
}
