import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `--model FILE`, `--base`, `--lora` and `--sampler` on the command line.
@Suite struct ModelFileTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: "\(Command.tinyModel)/unet/diffusion_pytorch_model.safetensors",
      toPath: folder("unet.safetensors"))
    let layer = "unet.mid_block.attentions.0.proj_in"
    try Safetensors.write(
      [
        ("\(layer).lora_A.weight", Tensor.random([2, 32], seed: 1)),
        ("\(layer).lora_B.weight", Tensor.random([32, 2], seed: 2)),
      ], to: folder("style.safetensors"))
  }

  private func generate(_ arguments: String...) throws -> Outcome {
    try Command.run(["generate", "--prompt", "a red house", "--quiet"] + arguments, in: folder)
  }

  private func text(_ keyword: String) throws -> String? {
    try PNG.text(of: folder("picture.png")).first { $0.keyword == keyword }?.text
  }

  /// Foundation's functions of paths trap on some of these.
  @Test func namesOfOneLetter() throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder("m"), withDestinationPath: Command.tinyModel)
    #expect(try generate("--model", "m").status == 0)
    #expect(try generate("--model", "m/model_index.json").status == 0)
    let layer = "base_model.model.mid_block.attentions.0.proj_in"
    try Safetensors.write(
      [
        ("\(layer).lora_A.weight", Tensor.random([2, 32], seed: 1, scale: 0.1)),
        ("\(layer).lora_B.weight", Tensor.random([32, 2], seed: 2, scale: 0.1)),
      ], to: folder("l"))
    #expect(try generate("--model", "m", "--lora", "l", "--output", "1.png").status == 0)
    // What lies beside it tells its scale.
    try folder.write(#"{"lora_alpha": 200, "r": 2}"#.utf8, to: "adapter_config.json")
    #expect(try generate("--model", "m", "--lora", "l", "--output", "2.png").status == 0)
    #expect(try PNG.read(folder("1.png")) != PNG.read(folder("2.png")))
    try folder.write("{}".utf8, to: "e")
    let edit = try Command.run(
      ["intervene", "--model", "m", "--prompt", "x", "--edit", "e", "--quiet"], in: folder)
    #expect(
      edit.status == 1 && edit.err.hasPrefix("Error: 'e' has in the outermost value no 'format'"),
      "\(edit.err)")
  }

  @Test func aFileMakesThePictureOfItsFolder() throws {
    let file = ["--model", "unet.safetensors", "--base", Command.tinyModel]
    #expect(try Command.run(["generate", "--prompt", "x", "--quiet"] + file, in: folder).status == 0)
    #expect(try text("model")?.hasPrefix("unet.safetensors ") == true)
    let found = try PNG.read(folder("picture.png"))
    let other = try Command.run(
      ["generate", "--prompt", "x", "--quiet", "--model", Command.tinyModel, "--output", "b.png"], in: folder)
    #expect(other.status == 0)
    #expect(try found == PNG.read(folder("b.png")))
  }

  @Test func aPictureTellsWhatChangedTheModel() throws {
    let plain = try generate("--model", Command.tinyModel, "--output", "plain.png")
    #expect(plain.status == 0)
    let outcome = try generate(
      "--model", Command.tinyModel, "--lora", "style.safetensors:0.5", "style.safetensors", "--sampler",
      "lcm",
      "--timesteps", "999", "499")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try text("lora") == "style.safetensors:0.5, style.safetensors:1.0")
    #expect(try text("sampler") == "lcm, at 999 499")
    #expect(try text("steps") == "2")
    #expect(try PNG.read(folder("picture.png")) != PNG.read(folder("plain.png")))
  }

  @Test func infoSaysWhatIsUsed() throws {
    let outcome = try Command.run(
      [
        "info", "--model", "unet.safetensors", "--base", Command.tinyModel, "--lora", "style.safetensors",
        "--sampler", "tcd", "--eta", "1",
      ], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.out.hasPrefix("unet.safetensors\nunet.safetensors\nfingerprint "))
    #expect(
      outcome.out.contains(
        "\nScheduler  TCDScheduler\nLoRAs      style.safetensors:1.0\nSampler    tcd, eta 1.0\n"))
  }

  @Test(arguments: [
    (
      ["--model", "unet.safetensors"],
      "'unet.safetensors' has no text_encoder, text_encoder_2, vae; name with --base a model of the same kind that has "
        + "the rest: a folder in diffusers layout, a Hugging Face id, or 'shapes'"
    ),
    (
      ["--model", "style.safetensors"],
      "'style.safetensors' is a LoRA, which changes a model; give it with --lora, and the model with --model"
    ),
    (
      ["--base", "shapes"],
      "--base gives what a single file lacks, but the model 'shapes' is a folder; leave --base out"
    ),
    (["--lora", "none.safetensors"], "'none.safetensors' does not exist; check the path"),
    (
      ["--timesteps", "\(Int.max)"],
      "a timestep is \(Int.max), but it must be from 0 to 999"
    ),
    (
      ["--sampler", "lcm", "--timesteps", "999", "499", "--steps", "3"],
      "steps is 3, but it must be left out, or 2, as many as there are --timesteps"
    ),
  ])
  func whatDoesNotGoIsSaid(_ arguments: [String], _ message: String) throws {
    let outcome = try Command.run(["generate", "--prompt", "x", "--quiet"] + arguments, in: folder)
    #expect(outcome.err == "Error: \(message)\n")
    #expect(outcome.status == 1)
    #expect(try folder.contents == ["style.safetensors", "unet.safetensors"])
  }
}
