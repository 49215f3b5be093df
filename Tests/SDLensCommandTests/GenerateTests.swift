import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// What `sdlens generate` leaves behind when all is well.
@Suite struct GenerateTests {
  @Test func theSameCommandWritesTheSameBytes() throws {
    let folder = try TemporaryFolder()
    let arguments = ["--steps", "2", "--guidance", "2"]
    for name in ["a", "b"] {
      let outcome = try Command.run(
        [
          "generate", "--prompt", "x", "--model", Command.tinyModel, "--output", "\(name).png", "--tensors",
          "\(name).safetensors",
        ] + arguments, in: folder)
      #expect(outcome.status == 0)
      #expect(outcome.out == "\(name).png\n")
    }
    #expect(try folder.contents == ["a.png", "a.safetensors", "b.png", "b.safetensors"])
    #expect(try folder.bytes("a.png") == folder.bytes("b.png"))
    #expect(try folder.bytes("a.safetensors") == folder.bytes("b.safetensors"))
  }

  @Test func aPictureOfSeveralIsTheSameAlone() throws {
    let folder = try TemporaryFolder()
    let several = try Command.generate("--count", "3", "--tensors", "run.safetensors", in: folder)
    #expect(several.out == "picture-42.png\npicture-43.png\npicture-44.png\n")
    #expect(several.err == "")
    let alone = try Command.generate("--seed", "43", "--tensors", "alone.safetensors", in: folder)
    #expect(alone.out == "picture.png\n")
    #expect(
      try folder.contents == [
        "alone.safetensors", "picture-42.png", "picture-43.png", "picture-44.png", "picture.png",
        "run-42.safetensors", "run-43.safetensors", "run-44.safetensors",
      ])
    #expect(try folder.bytes("picture.png") == folder.bytes("picture-43.png"))
    #expect(try folder.bytes("picture.png") != folder.bytes("picture-42.png"))
    #expect(try folder.bytes("alone.safetensors") == folder.bytes("run-43.safetensors"))
  }

  @Test func aPictureTellsHowItWasMade() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(
      [
        "generate", "--prompt", "une maison à gauche 🏠", "--negative-prompt", "", "--guidance", "1.5",
        "--steps", "2",
        "--seed", "7", "--ablate", "mid.0", "unet.up_blocks.0.attentions.1", "--model", Command.tinyModel,
      ], in: folder)
    #expect(outcome.status == 0)
    let texts = try PNG.text(of: folder("picture.png"))
    let model = texts.first { $0.keyword == "model" }?.text ?? ""
    #expect(model.wholeMatch(of: /tiny [0-9a-f]{16}/) != nil)
    #expect(
      texts == [
        PNGText("Software", "sdlens \(Version.current)"), PNGText("prompt", "une maison à gauche 🏠"),
        PNGText("negative_prompt", ""), PNGText("steps", "2"), PNGText("guidance", "1.5"),
        PNGText("model", model),
        PNGText("seed", "7"),
        PNGText(
          "edits",
          #"{"edits":[{"block":"mid.0","operation":"ablate"},{"block":"up.0.1","operation":"ablate"}],"#
            + #""format":"sdlens-edits","version":1}"#),
      ])
    let picture = try PNG.read(folder("picture.png"))
    #expect(picture.width == 96 && picture.height == 96)
  }

  @Test func anotherEngineMakesTheSamePictureAndIsNamed() throws {
    let folder = try TemporaryFolder()
    for engine in ["auto", "sdlens", "openblas"] {
      let outcome = try Command.generate(
        "--engine", engine, "--output", "\(engine).png", "--tensors", "\(engine).safetensors", in: folder)
      #expect(outcome.status == 0)
      let texts = try PNG.text(of: folder("\(engine).png")).filter { $0.keyword == "engine" }
      #expect(engine == "auto" || texts == (engine == "openblas" ? [PNGText("engine", engine)] : []))
    }
    let pictures = try ["sdlens", "openblas"].map { try PNG.read(folder("\($0).png")) }
    let distances = zip(pictures[0].samples, pictures[1].samples).map { abs(Int($0) - Int($1)) }
    #expect(distances.max() ?? 0 <= 1)
    let latents = try ["sdlens", "openblas"].map {
      try Safetensors(contentsOf: folder("\($0).safetensors")).tensor("latents")
    }
    expectClose(latents[1], latents[0], within: 1e-5, "latents")
    #expect(latents[1].differs(from: latents[0]))
  }

  @Test func int16MakesNearlyTheSamePictureAndIsNamed() throws {
    let folder = try TemporaryFolder()
    for precision in ["float32", "int16"] {
      let outcome = try Command.generate(
        "--precision", precision, "--output", "\(precision).png", "--tensors", "\(precision).safetensors",
        in: folder)
      #expect(outcome.status == 0)
      let texts = try PNG.text(of: folder("\(precision).png")).filter { $0.keyword == "engine" }
      #expect(texts == (precision == "int16" ? [PNGText("engine", "sdlens-int16")] : []))
    }
    let latents = try ["float32", "int16"].map {
      try Safetensors(contentsOf: folder("\($0).safetensors")).tensor("latents")
    }
    expectClose(latents[1], latents[0], within: 2e-3, "latents")
    #expect(latents[1].differs(from: latents[0]))
    let refused = try Command.generate("--engine", "openblas", "--precision", "int16", in: folder)
    #expect(
      refused.err
        == "Error: --engine openblas multiplies in float32 only, but --precision is int16; take --engine sdlens, or "
        + "--precision float32\n")
    #expect(refused.status == 1)
  }

  @Test func tensorsAreNamedAndInPyTorchsOrder() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.generate(
      "--steps", "2", "--guidance", "2", "--width", "64", "--height", "48", "--tensors", "run.safetensors",
      "--cache",
      "up.1.0", "mid.0", "mid.0", "--ablate", "mid.0", in: folder)
    #expect(outcome.err == "")
    let file = try Safetensors(contentsOf: folder("run.safetensors"))
    let shapes = Dictionary(uniqueKeysWithValues: file.names.map { ($0, file.entry($0)?.shape) })
    #expect(
      shapes == [
        "noise": [1, 4, 6, 8], "latents": [1, 4, 6, 8], "image": [1, 3, 48, 64],
        "noise_pred.0": [1, 4, 6, 8], "noise_pred.1": [1, 4, 6, 8],
        "prompt_embeds": [2, 77, 62], "pooled_prompt_embeds": [2, 30],
        "mid.0.input.0": [2, 32, 2, 2], "mid.0.input.1": [2, 32, 2, 2],
        "mid.0.output.0": [2, 32, 2, 2], "mid.0.output.1": [2, 32, 2, 2],
        "up.1.0.input.0": [2, 24, 3, 4], "up.1.0.input.1": [2, 24, 3, 4],
        "up.1.0.output.0": [2, 24, 3, 4], "up.1.0.output.1": [2, 24, 3, 4],
      ])
    #expect(try file.tensor("mid.0.input.1").elements == file.tensor("mid.0.output.1").elements)
    #expect(try file.tensor("up.1.0.input.1").elements != file.tensor("up.1.0.output.1").elements)
    // torch.randn(generator=torch.Generator().manual_seed(42)) begins with 1.9269.
    #expect(abs(try file.tensor("noise")[0] - 1.9269153) < 1e-6)
    var metadata = file.metadata
    #expect(metadata.removeValue(forKey: "model")?.hasPrefix("tiny ") == true)
    #expect(
      metadata == [
        "prompt": "a red house", "seed": "42", "steps": "2", "guidance": "2.0", "width": "64", "height": "48",
        "ablate": "mid.0", "version": Version.current,
      ])
  }

  @Test func anEmptyPromptIsAPrompt() throws {
    let outcome = try Command.run(
      ["generate", "--prompt", "", "--model", Command.tinyModel, "--quiet"], in: TemporaryFolder())
    #expect(outcome.status == 0)
    #expect(outcome.err == "")
  }

  @Test func aPromptMayBeginWithADash() throws {
    let outcome = try Command.run(
      ["generate", "--prompt", "-5 degrees", "--model", Command.tinyModel, "--quiet"], in: TemporaryFolder())
    #expect(outcome.status == 0)
  }

  @Test func threadsDoNotChangeThePicture() throws {
    let folder = try TemporaryFolder()
    for threads in ["1", "3"] {
      _ = try Command.generate("--threads", threads, "--output", "\(threads).png", in: folder)
    }
    let (one, three) = (try PNG.read(folder("1.png")), try PNG.read(folder("3.png")))
    #expect(zip(one.samples, three.samples).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
  }
}

extension TemporaryFolder {
  /// The content of a file.
  func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: self(name))) }
}
