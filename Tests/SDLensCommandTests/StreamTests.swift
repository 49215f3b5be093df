import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// Results on standard output, everything else on standard error; where the program may lie.
@Suite struct StreamTests {
  private static let generate = ["generate", "--prompt", "x", "--model", Command.tinyModel]

  @Test func progressIsPlainLinesBesideAPipe() throws {
    let outcome = try Command.run(Self.generate + ["--count", "2"], in: TemporaryFolder())
    #expect(outcome.out == "picture-42.png\npicture-43.png\n")
    let lines = outcome.err.split(separator: "\n").map(String.init)
    #expect(
      lines.dropLast() == [
        "encoding the prompt", "reading the model", "picture 1 of 2, seed 42", "picture 2 of 2, seed 43",
      ])
    #expect(lines.last?.hasPrefix("2 pictures in ") == true)
    #expect(!outcome.err.contains("\u{1B}"))
  }

  @Test func aLongPromptSaysWhatIsLeftOut() throws {
    let words = (1...100).map { "w\($0)" }.joined(separator: " ")
    let outcome = try Command.run(
      ["generate", "--prompt", words, "--negative-prompt", "x", "--model", Command.tinyModel],
      in: TemporaryFolder())
    #expect(outcome.err.contains("The prompt is longer than 77 tokens; left out: \""))
    #expect(outcome.err.contains("w 1 0 0\"\n"))
    #expect(outcome.err.contains("The negative prompt has no effect without --guidance above 1\n"))
    #expect(outcome.out == "picture.png\n")
  }

  @Test func generateReportsAsJSON() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.generate("--json", "--count", "2", "--threads", "2", in: folder)
    let result = try json(outcome)
    #expect(Set(result.keys) == ["peak_memory_bytes", "pictures", "run", "seconds", "threads"])
    let pictures = try #require(result["pictures"] as? [[String: Any]])
    #expect(pictures.map { $0["path"] as? String } == ["picture-42.png", "picture-43.png"])
    #expect(pictures.map { $0["seed"] as? Int } == [42, 43])
    let seconds = try #require(result["seconds"] as? [String: Double])
    #expect(Set(seconds.keys) == ["text", "read", "denoise", "decode", "write"])
    #expect(try #require(result["peak_memory_bytes"] as? Int) > 1_000_000)
    #expect(result["threads"] as? Int == 2)
    #expect((result["run"] as? [String: String])?["prompt"] == "a red house")
  }

  @Test func infoReportsAsJSON() throws {
    let result = try json(
      Command.run(["info", "--json", "--model", Command.tinyModel], in: TemporaryFolder()))
    #expect(result["picture_size"] as? Int == 96)
    let blocks = try #require(result["blocks"] as? [[String: Any]])
    #expect(blocks.count == 11)
    #expect(blocks[3]["name"] as? String == "down.2.1")
    #expect(blocks[3]["path"] as? String == "down_blocks.2.attentions.1")
    #expect(blocks[3]["width"] as? Int == 32)
    #expect(blocks[3]["map_size"] as? Int == 3)
    #expect(blocks[3]["heads"] as? Int == 4)
    let parts = try #require(result["parts"] as? [[String: Any]])
    #expect(parts.map { $0["name"] as? String } == ["text_encoder", "text_encoder_2", "unet", "vae"])
  }

  @Test func infoFitsEightyColumns() throws {
    let outcome = try Command.run(["info"], in: TemporaryFolder())
    #expect(outcome.status == 0)
    // The path of the model is as long as it is.
    for line in outcome.out.split(separator: "\n") where !line.hasPrefix("/") { #expect(line.count <= 80) }
  }

  @Test func doctorReportsAsJSON() throws {
    let result = try json(
      Command.run(
        ["doctor", "--json"], in: TemporaryFolder(), environment: ["SDLENS_MODEL": Command.tinyModel]))
    let rate = try #require(result["rate"] as? [String: Any])
    for engine in ["sdlens", "openblas"] { #expect(try #require(rate[engine] as? Double) > 0.1) }
    #expect(["sdlens", "openblas"].contains(result["engine"] as? String))
    let models = try #require(result["models"] as? [[String: Any]])
    #expect(models.map { $0["name"] as? String } == ["shapes", Command.tinyModel])
    #expect(result["build"] as? String == "release" || result["build"] as? String == "debug")
  }

  @Test func doctorWarnsOfKernelsForAnotherProcessor() throws {
    let outcome = try Command.run(
      ["doctor"], in: TemporaryFolder(), environment: ["OPENBLAS_CORETYPE": "Prescott"])
    #expect(outcome.out.contains("! OPENBLAS_CORETYPE is Prescott, with which it reaches "))
    #expect(outcome.status == 0)
  }

  @Test func aFullPipeIsNoSuccess() throws {
    let outcome = try Command.run(
      ["-c", "exec '\(Command.program)' info > /dev/full"], in: TemporaryFolder(), program: "/bin/bash")
    #expect(outcome.err.hasPrefix("Error: standard output cannot be written: "))
    #expect(outcome.status == 1)
  }

  @Test func theEmbeddedModelIsFoundBesideTheProgram() throws {
    let folder = try TemporaryFolder()
    let build = (Command.program as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder("elsewhere"), withIntermediateDirectories: false)
    for name in ["sdlens", "sdlens_SDLensDiffusion.resources"] {
      try FileManager.default.copyItem(atPath: "\(build)/\(name)", toPath: folder("elsewhere/\(name)"))
    }
    try FileManager.default.createSymbolicLink(
      atPath: folder("link"), withDestinationPath: "elsewhere/sdlens")
    for program in [folder("elsewhere/sdlens"), folder("link")] {
      let outcome = try Command.run(["info"], in: folder, program: program)
      #expect(outcome.out.contains("FOLDER/elsewhere/sdlens_SDLensDiffusion.resources/Models/shapes\n"))
      #expect(outcome.err == "")
    }
    try FileManager.default.removeItem(atPath: folder("elsewhere/sdlens_SDLensDiffusion.resources"))
    let outcome = try Command.run(["info"], in: folder, program: folder("link"))
    #expect(outcome.err.hasPrefix("Error: the embedded model is not at 'FOLDER/elsewhere/"))
    #expect(outcome.status == 1)
  }

  @Test func theEmbeddedModelMakesAPicture() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(
      ["generate", "--prompt", "a large red circle on a white background"], in: folder)
    #expect(outcome.status == 0)
    #expect(try PNG.read(folder("picture.png")).width == 256)
  }

  private func json(_ outcome: Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0)
    #expect(outcome.err == "")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any])
  }
}
