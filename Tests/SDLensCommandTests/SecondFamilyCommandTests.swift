import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// Recording, learning, looking and intervening on a small model of the kind of Stable Diffusion 1.
@Suite struct SecondFamilyCommandTests {
  private let folder: TemporaryFolder
  private static let model =
    URL(fileURLWithPath: Command.tinyModel).deletingLastPathComponent().path + "/sd1"

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<24).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
  }

  private func run(_ arguments: String...) throws -> Outcome {
    try Command.run(arguments + ["--model", Self.model], in: folder)
  }

  @Test func fromRecordingToPictures() throws {
    let info = try run("info")
    #expect(info.status == 0, "\(info.err)")
    for line in ["Pictures   64 × 64 pixels", "Prompts    77 tokens, 20 numbers each", "up.3.2"] {
      #expect(info.out.contains(line), "\(info.out)")
    }
    #expect(!info.out.contains("text_encoder_2"))
    let blocks = ["--block", "down.0.1", "up.3.2"]
    let collected = try Command.run(
      ["collect", "--model", Self.model, "--workspace", "w", "--prompts", "prompts.txt", "--quiet"] + blocks
        + ["--steps", "2", "--guidance", "3"], in: folder)
    #expect(collected.status == 0, "\(collected.err)")
    let trained = try Command.run(
      [
        "train-sae", "--model", Self.model, "--workspace", "w", "--features", "24", "--k", "3", "--steps",
        "40", "--batch",
        "64", "--quiet",
      ] + blocks, in: folder)
    #expect(trained.out == "w/saes/down.0.1/k3-n24\nw/saes/up.3.2/k3-n24\n", "\(trained.err)")
    let streamed = try Command.run(
      [
        "train-sae", "--model", Self.model, "--workspace", "v", "--features", "16", "--k", "2", "--steps",
        "4", "--batch",
        "32", "--prompts", "prompts.txt", "--stream", "--block", "mid.0", "up.1.0", "down.0.0", "--quiet",
      ], in: folder)
    #expect(streamed.status == 0, "\(streamed.err)")
    let features = try Command.run(
      [
        "features", "--model", Self.model, "--workspace", "w", "--prompt", "a house", "--steps", "2", "--top",
        "3", "--json",
      ] + blocks, in: folder)
    #expect(features.status == 0, "\(features.err)")
    #expect(features.out.contains(#""block" : "up.3.2""#), "\(features.out)")
    let edited = try run(
      "intervene", "--workspace", "w", "--block", "up.3.2", "--prompt", "a house", "--feature", "3", "--beta",
      "20",
      "--steps", "2", "--output", "edited")
    #expect(edited.status == 0, "\(edited.err)")
    let (before, after) = (
      try PNG.read(folder("edited/before.png")), try PNG.read(folder("edited/after.png"))
    )
    #expect(before.width == 64 && before.samples != after.samples)
    let ablated = try run("visualize", "blocks", "--prompt", "a house", "--output", "blocks.png")
    #expect(ablated.status == 0, "\(ablated.err)")
  }

  /// A picture, an inversion of it, a LoRA of the names that there is no number in; the tensors have no pooled prompt.
  @Test func picturesAndFiles() throws {
    let made = try run(
      "generate", "--prompt", "a cat", "--steps", "4", "--tensors", "run.safetensors", "--cache", "up.1.0")
    #expect(made.status == 0, "\(made.err)")
    let names = try Safetensors(contentsOf: folder("run.safetensors")).names
    #expect(names.contains("up.1.0.output.3") && !names.contains("pooled_prompt_embeds"))
    let told = try run("generate", "--prompt", "x", "--original-size", "64", "--quiet", "--output", "d.png")
    #expect(
      told.err
        == "Error: original-size is 64x64, but it must be left out: models of Stable Diffusion 1 and 2 are told of no "
        + "sizes\n", "\(told.err)")
    let inverted = try run(
      "generate", "--prompt", "a cat", "--init-image", "picture.png", "--invert", "--steps", "4", "--output",
      "b.png")
    #expect(inverted.status == 0, "\(inverted.err)")
    try Safetensors.write(
      [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", Tensor.random([2, 20], seed: 1)),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", Tensor.random([36, 2], seed: 2)),
        (
          "lora_unet_up_blocks_3_attentions_2_proj_out.lora_down.weight",
          Tensor.random([2, 8, 1, 1], seed: 3)
        ),
        ("lora_unet_up_blocks_3_attentions_2_proj_out.lora_up.weight", Tensor.random([8, 2, 1, 1], seed: 4)),
      ], to: folder("style.safetensors"))
    let styled = try run(
      "generate", "--prompt", "a cat", "--steps", "4", "--lora", "style.safetensors", "--output", "c.png")
    #expect(styled.status == 0, "\(styled.err)")
    #expect(try PNG.read(folder("c.png")).samples != PNG.read(folder("picture.png")).samples)
  }
}
