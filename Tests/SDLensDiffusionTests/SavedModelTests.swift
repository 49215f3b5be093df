import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Weights under the names, and beside the parts, that older and other programs leave.
@Suite struct SavedModelTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try TinyModel.copy(to: folder)
  }

  /// Writes the weights of a part of the copy anew.
  private func rewrite(
    _ part: String, _ file: String,
    _ change: ([(name: String, tensor: Tensor)]) -> [(name: String, tensor: Tensor)]
  ) throws {
    let source = try Safetensors(contentsOf: "\(TinyModel.path)/\(part)/\(file).safetensors")
    let tensors = try source.names.filter { source.entry($0)?.type == .f32 }.map {
      ($0, try source.tensor($0))
    }
    let path = folder("\(part)/\(file).safetensors")
    try FileManager.default.removeItem(atPath: path)
    try Safetensors.write(change(tensors), to: path)
  }

  // diffusers: AutoencoderKL.from_pretrained reads the names of before 0.18, all of them or some.
  @Test(arguments: [["to_q", "to_k", "to_v", "to_out.0"], ["to_k"], ["to_out.0", "to_q"]])
  func attentionOfOlderAutoencodersIsRead(_ renamed: [String]) throws {
    let older = ["to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"]
    try rewrite("vae", "diffusion_pytorch_model") { tensors in
      tensors.map { name, tensor in
        (renamed.reduce(name) { $0.replacing(".\($1).", with: ".\(older[$1] ?? "").") }, tensor)
      }
    }
    let decoder = try Pipeline(ModelFolder(folder.path)).decoder
    let goldens = try TinyModel.goldens("vae")
    let name = try #require(goldens.names.first { $0.hasSuffix(".latents") }).dropLast(".latents".count)
    try goldens.expect(
      decoder(goldens.channelsLast("\(name).latents")), equals: "\(name).image", within: 6e-6)
  }

  // diffusers refuses these too: "expected shape torch.Size([32, 32]), but got torch.Size([32, 32, 1, 1])".
  @Test func attentionAsConvolutionsIsRefused() throws {
    try rewrite("vae", "diffusion_pytorch_model") { tensors in
      tensors.map { name, tensor in
        name == "decoder.mid_block.attentions.0.to_q.weight"
          ? ("decoder.mid_block.attentions.0.query.weight", tensor.reshaped([32, 32, 1, 1]))
          : (name.replacing("attentions.0.to_q.bias", with: "attentions.0.query.bias"), tensor)
      }
    }
    #expect(
      errorMessage { try Pipeline(ModelFolder(folder.path)) }.hasPrefix(
        "'decoder.mid_block.attentions.0.query.weight' has shape [32, 32, 1, 1], but the model needs [32, 32]"
      ))
  }

  private static let beside: [(name: String, tensor: Tensor)] = [
    ("logit_scale", Tensor([4.6], [])), ("visual_projection.weight", Tensor([1, 2], [1, 2])),
    ("vision_model.post_layernorm.weight", Tensor([1], [1])),
    ("vision_model.embeddings.position_ids", Tensor([1], [1])),
  ]

  // transformers: CLIPTextModel.from_pretrained passes over what a whole CLIP has beside its text model.
  @Test func whatATextEncoderDoesNotNeedIsPassedOver() throws {
    let plain = try PromptEncoder(ModelFolder(TinyModel.path))(["a photo of a cat"])
    try rewrite("text_encoder", "model") {
      $0 + Self.beside + [("text_projection.weight", Tensor([1, 2, 3], [3, 1]))]
    }
    try rewrite("text_encoder_2", "model") { $0 + Self.beside }
    let model = try ModelFolder(folder.path)
    let found = try PromptEncoder(model)(["a photo of a cat"])
    expectSame(found.embeddings, plain.embeddings, "embeddings")
    expectSame(found.pooled, plain.pooled, "pooled")
    // Nor is it counted.
    let (summary, wanted) = (try ModelSummary(model), try ModelSummary(ModelFolder(TinyModel.path)))
    #expect(summary.parts.map(\.parameters) == wanted.parts.map(\.parameters))
  }

  @Test(arguments: ["text_projection.bias", "lora.up.weight", "text_model.encoder.layers.9.mlp.fc1.bias"])
  func anythingElseIsAnError(_ name: String) throws {
    for part in ["text_encoder", "text_encoder_2"] {
      try rewrite(part, "model") { $0 + Self.beside + [(name, Tensor([1], [1]))] }
      #expect(
        errorMessage { try PromptEncoder(ModelFolder(folder.path)) }.contains(
          "holds 1 tensor that the model does not have: '\(name)'"))
      try rewrite(part, "model") { $0 }
    }
  }

  // What comes of guidance or edits without measure.
  @Test func numbersThatAreNotFiniteAreNoPicture() throws {
    let pipeline = try TinyModel.pipeline
    let advice =
      "but every number must be finite; likely the guidance or an edit is too strong, or the weights are damaged: try "
      + "a smaller --guidance, weaker edits, or the model alone"
    for (value, found) in [(Float.nan, "nan"), (-.infinity, "-inf")] {
      var latents = Tensor(repeating: 0.5, [1, 4, 4, 4])
      latents[7] = value
      #expect(
        errorMessage { try pipeline.picture(latents) } == "no picture: the latents hold \(found), \(advice)")
    }
    // Finite, but not behind the decoder.
    let message = errorMessage { try pipeline.picture(Tensor(repeating: 3e38, [1, 4, 4, 4])) }
    #expect(message.hasPrefix("no picture: the decoded picture holds "))
    #expect(message.hasSuffix(advice))
  }
}
