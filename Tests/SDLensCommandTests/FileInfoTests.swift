import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens info FILE` of the files that people share, and `--vae`.
@Suite struct FileInfoTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let vae = "\(Command.tinyModel)/vae/diffusion_pytorch_model.safetensors"

  private func info(_ arguments: String...) throws -> Outcome {
    try Command.run(["info"] + arguments, in: folder)
  }

  /// What a table says of a name.
  private func value(_ name: String, in outcome: Outcome) -> String? {
    let line = outcome.out.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
    return line.map { $0.dropFirst(name.count).trimmingCharacters(in: .whitespaces) }
  }

  private func writeLoRA(_ layer: String) throws {
    try Safetensors.write(
      [
        ("\(layer).lora_A.weight", Tensor.random([2, 32], seed: 1)),
        ("\(layer).lora_B.weight", Tensor.random([32, 2], seed: 2)),
      ], to: folder("style.safetensors"))
  }

  @Test func aLoRA() throws {
    try writeLoRA("unet.mid_block.attentions.0.proj_in")
    let outcome = try info("style.safetensors", "--model", Command.tinyModel)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(value("Kind", in: outcome) == "a LoRA, under the names of PEFT")
    #expect(value("Layers", in: outcome) == "1 of the U-net" && value("Rank", in: outcome) == "2")
    #expect(value("Numbers", in: outcome)?.hasPrefix("128 as F32, ") == true)
    #expect(value("Use", in: outcome) == "--lora style.safetensors[:strength]")
    #expect(value("Fits", in: outcome) == "the model 'tiny'")
    try writeLoRA("unet.no.such.layer")
    let other = try info("style.safetensors", "--model", Command.tinyModel)
    #expect(
      value("Fits", in: other)
        == "not the model 'tiny': 'style.safetensors' changes 1 layers, of which the model has no 'unet.no.such.layer'; "
        + "take a LoRA that was made for this model")
    let json = try info("style.safetensors", "--model", Command.tinyModel, "--json")
    #expect(json.out.contains(#""Kind" : "a LoRA, under the names of PEFT""#))
  }

  @Test func anAutoencoder() throws {
    try FileManager.default.copyItem(atPath: Self.vae, toPath: folder("vae.safetensors"))
    let outcome = try info("vae.safetensors", "--model", Command.tinyModel)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(value("Kind", in: outcome) == "an autoencoder (VAE), under the names of diffusers")
    #expect(value("Encoder", in: outcome) == "yes, so that runs can begin with a picture")
    #expect(value("Settings", in: outcome) == "it has none; used are those of the model's own autoencoder")
    #expect(value("Use", in: outcome) == "--vae vae.safetensors")
    #expect(value("Fits", in: outcome) == "the model 'tiny'")
    // The model that ships inside has other sizes.
    let other = try info("vae.safetensors")
    #expect(
      value("Fits", in: other)?.hasPrefix("not the model 'shapes': 'decoder.conv_in.weight' has shape")
        == true)
    let file = try Safetensors(contentsOf: Self.vae)
    try Safetensors.write(
      file.names.filter { $0.hasPrefix("decoder.") || $0.hasPrefix("post_") }.map {
        ($0, try file.tensor($0))
      },
      to: folder("half.safetensors"))
    #expect(
      value("Encoder", in: try info("half.safetensors")) == "none, so that no run can begin with a picture")
  }

  @Test func aUNetAlone() throws {
    try FileManager.default.copyItem(
      atPath: "\(Command.tinyModel)/unet/diffusion_pytorch_model.safetensors",
      toPath: folder("unet.safetensors"))
    let outcome = try info("unet.safetensors")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(value("Kind", in: outcome) == "a part of a model of the kind of SDXL: unet")
    #expect(value("Missing", in: outcome) == "text_encoder, text_encoder_2, vae")
    #expect(
      value("Use", in: outcome)
        == "--model unet.safetensors --base FOLDER or ID, a model of the same kind that has the rest")
    #expect(
      value("Get one", in: outcome)
        == "hf download stabilityai/sdxl-turbo --include '*.json' --include '*.txt' --include '*.fp16.safetensors'"
    )
    // With a base, and of a folder, it is what is said of a model.
    for arguments in [["unet.safetensors", "--base", Command.tinyModel], [Command.tinyModel]] {
      let whole = try Command.run(["info"] + arguments, in: folder)
      #expect(whole.status == 0 && whole.out.hasPrefix("\(arguments[0])\n"), "\(whole.err)")
      #expect(whole.out.contains("\nHook points of every block"))
    }
  }

  @Test func whatCannotBeUsedIsNamed() throws {
    for (name, message) in [
      ("control_model.a", "is a ControlNet, which steers a model; models of SDXL can be read"),
      ("lora_unet_x.hada_w1_a", "is of another kind, LoHa, products of low-rank matrices element by element"),
      ("W_dec", "holds no dictionary of a known format: looked for sae.json and sae.safetensors (sdlens), "),
    ] {
      try Safetensors.write([(name, Tensor(repeating: 1, [1, 1]))], to: folder("x.safetensors"))
      let outcome = try info("x.safetensors")
      #expect(
        outcome.status == 1 && outcome.err.hasPrefix("Error: 'x.safetensors' \(message)"), "\(outcome.err)")
    }
    let half = try Data(contentsOf: URL(fileURLWithPath: Self.vae)).prefix(100_000)
    try folder.write(half, to: "x.safetensors")
    #expect(try info("x.safetensors").err.contains("is not a whole safetensors file"))
  }

  @Test func otherTensorsAreListed() throws {
    var outcome = try Command.run(
      ["generate", "--prompt", "a red circle", "--tensors", "run.safetensors", "--output", "a.png"],
      in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    outcome = try info("run.safetensors")
    #expect(outcome.status == 0 && outcome.err == "")
    #expect(value("Kind", in: outcome) == "tensors: no model, LoRA, autoencoder or dictionary")
    #expect(value("prompt", in: outcome) == "a red circle" && value("seed", in: outcome) == "42")
    #expect(value("latents", in: outcome) == "[1, 4, 32, 32] F32")
    let many = (0..<50).map { ("a\(100 + $0)", Tensor(repeating: 1, [1, 1])) }
    try Safetensors.write(many, to: folder("x.safetensors"))
    outcome = try info("x.safetensors")
    #expect(value("a139", in: outcome) == "[1, 1] F32" && value("…", in: outcome) == "10 more")
  }

  @Test func aDictionaryIsStillOne() throws {
    let workspace = try TrainedWorkspace()
    let files = try FileManager.default.contentsOfDirectory(atPath: workspace.folder("w/saes/up.0.1/k4-n32"))
    let file = try #require(files.first { $0.hasSuffix(".safetensors") })
    let outcome = try Command.run(["info", "w/saes/up.0.1/k4-n32/\(file)"], in: workspace.folder)
    #expect(
      outcome.status == 0 && outcome.out.contains("Block") && outcome.out.contains("up.0.1"), "\(outcome.err)"
    )
  }

  @Test func aPictureTellsItsAutoencoder() throws {
    let file = try Safetensors(contentsOf: Self.vae)
    try Safetensors.write(
      file.names.map { ($0, try file.tensor($0).scaled(by: $0 == "decoder.conv_out.weight" ? 0.5 : 1)) },
      to: folder("soft.safetensors"))
    for (arguments, name) in [([], "a.png"), (["--vae", "soft.safetensors"], "b.png")] as [([String], String)]
    {
      let outcome = try Command.run(
        ["generate", "--prompt", "x", "--quiet", "--model", Command.tinyModel, "--output", name] + arguments,
        in: folder)
      #expect(outcome.status == 0, "\(outcome.err)")
    }
    func text(_ keyword: String, _ name: String) throws -> String? {
      try PNG.text(of: folder(name)).first { $0.keyword == keyword }?.text
    }
    #expect(try text("vae", "a.png") == nil)
    let said = try #require(try text("vae", "b.png"))
    #expect(said.wholeMatch(of: /soft\.safetensors [0-9a-f]{16}/) != nil, "\(said)")
    #expect(try text("model", "a.png") != text("model", "b.png"))
    #expect(try PNG.read(folder("a.png")) != PNG.read(folder("b.png")))
    let about = try info("--model", Command.tinyModel, "--vae", "soft.safetensors")
    #expect(about.out.contains("\nVAE        \(said)\n"), "\(about.out)")
    let none = try Command.run(
      ["generate", "--prompt", "x", "--quiet", "--model", Command.tinyModel, "--vae", "none"], in: folder)
    #expect(
      none.status == 1 && none.err.hasPrefix("Error: there is no folder or file 'none'; --vae takes a folder")
    )
  }
}
