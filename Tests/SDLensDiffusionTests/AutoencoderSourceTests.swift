import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// `--vae`: another autoencoder, in every layout, is that of the folder that it was made of, bit for bit.
@Suite struct AutoencoderSourceTests {
  let folder: TemporaryFolder
  private var path: String { folder("vae.safetensors") }

  init() throws { folder = try TemporaryFolder() }

  /// The tiny VAE with every number but those of norms times 0.9, under our names.
  private func other() throws -> [(name: String, tensor: Tensor)] {
    let file = try Safetensors(contentsOf: "\(TinyModel.path)/vae/diffusion_pytorch_model.safetensors")
    return try file.names.map { name in
      (name, try file.tensor(name).scaled(by: name.contains("norm") ? 1 : 0.9))
    }
  }

  /// The other VAE in a folder of diffusers.
  private func writeFolder(_ name: String = "kl", renamed: (String) -> String = { $0 }) throws -> String {
    try folder.write([], to: "\(name)/x")
    try FileManager.default.removeItem(atPath: folder("\(name)/x"))
    try FileManager.default.copyItem(
      atPath: "\(TinyModel.path)/vae/config.json", toPath: folder("\(name)/config.json"))
    try Safetensors.write(
      other().map { (renamed($0.name), $0.tensor) }, to: folder("\(name)/diffusion_pytorch_model.safetensors")
    )
    return folder(name)
  }

  /// The picture of some latents, and the latents of a picture.
  private func run(_ vae: String?) throws -> [Tensor] {
    let model = try ModelFolder(TinyModel.path, vae: vae)
    let latents = Tensor.random([1, 4, 5, 4], seed: 1)
    let picture = Tensor.random([1, 16, 24, 3], seed: 2)
    return [try Pipeline(model).picture(latents), try LatentEncoder(model)(picture).mean]
  }

  private func expectSameAsFolder(_ vae: String) throws {
    for (found, wanted) in zip(try run(vae), try run(writeFolder("reference"))) {
      expectSame(found, wanted, vae)
    }
  }

  @Test func aFolderTakesThePlaceOfTheModelsOwn() throws {
    let kl = try writeFolder()
    let (other, own) = (try run(kl), try run(nil))
    #expect(other[0].differs(from: own[0]) && other[1].differs(from: own[1]))
    // A model's folder stands for the VAE in it.
    for (found, wanted) in zip(try run(TinyModel.path), own) { expectSame(found, wanted, "the model's own") }
    let models = try [nil, kl, TinyModel.path].map { try ModelFolder(TinyModel.path, vae: $0) }
    #expect(try Set(models.map { try $0.fingerprint().description }).count == 2)
    #expect(try models[1].otherAutoencoder?.wholeMatch(of: /kl [0-9a-f]{16}/) != nil)
    #expect(try models[0].otherAutoencoder == nil)
    #expect(try ModelSummary(models[1]).vae == models[1].otherAutoencoder)
  }

  // The names of before diffusers 0.18.
  private func oldName(_ name: String) -> String {
    [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")].reduce(name) {
      $0.replacing(".\($1.0).", with: ".\($1.1).")
    }
  }

  @Test func oldAttentionNamesAreRead() throws {
    try expectSameAsFolder(writeFolder(renamed: oldName))
    try Safetensors.write(other().map { (oldName($0.name), $0.tensor) }, to: path)
    for (found, wanted) in zip(try run(path), try run(folder("kl"))) { expectSame(found, wanted, "a file") }
  }

  @Test(arguments: ["", "vae.", "first_stage_model."])
  func aFileUnderTheNamesOfDiffusers(_ beginning: String) throws {
    try Safetensors.write(other().map { (beginning + $0.name, $0.tensor) }, to: path)
    try expectSameAsFolder(path)
  }

  @Test(arguments: ["first_stage_model.", ""])
  func aFileUnderTheNamesOfTheOriginalLayout(_ beginning: String) throws {
    let numbers = try Dictionary(uniqueKeysWithValues: other().map { ($0.name, $0.tensor) })
    let items = try OriginalLayout.names(of: "vae").map { theirs, ours in
      let tensor = try #require(numbers[ours])
      let isConvolution = theirs.contains(".mid.attn_1.") && tensor.shape.rank == 2
      return (
        name: theirs.replacing("first_stage_model.", with: beginning),
        tensor: isConvolution ? tensor.reshaped([tensor.shape[0], tensor.shape[1], 1, 1]) : tensor
      )
    }
    // What training leaves beside it is passed over.
    try Safetensors.write(items + [("\(beginning)loss.logvar", Tensor([1], [1]))], to: path)
    try expectSameAsFolder(path)
    let model = try ModelFolder(TinyModel.path, vae: path)
    #expect(try model.fingerprint().value != ModelFolder(TinyModel.path).fingerprint().value)
    #expect(try model.otherAutoencoder?.hasPrefix("vae.safetensors ") == true)
  }

  @Test func aModelOfOneFileTakesItToo() throws {
    try Safetensors.write(
      OriginalLayout.tiny(["unet", "text_encoder", "text_encoder_2"]), to: folder("m.safetensors"))
    let kl = try writeFolder()
    // As in SDXL, whose settings come with the program.
    try TinyModel.set("scaling_factor", to: "0.13025", in: "kl/config.json", of: folder)
    #expect(
      errorMessage { try ModelFolder(folder("m.safetensors")) }.hasPrefix(
        "'\(folder("m.safetensors"))' has no vae; "))
    // Its own settings come with it, so that nothing is missing.
    #expect(try ModelFolder(folder("m.safetensors"), vae: kl).config("vae").path == "\(kl)/config.json")
  }

  // MARK: Refusals

  private func refusal(_ vae: String) -> String {
    errorMessage { try Pipeline(ModelFolder(TinyModel.path, vae: vae, environment: ["HOME": folder.path])) }
  }

  static let needed =
    "--vae takes a folder with an AutoencoderKL of diffusers (config.json, diffusion_pytorch_model.safetensors), a single "
    + ".safetensors file, or a Hugging Face id such as madebyollin/sdxl-vae-fp16-fix"

  @Test func whatIsNoAutoencoder() throws {
    #expect(refusal("none") == "there is no folder or file 'none'; \(Self.needed)")
    #expect(
      refusal("a/b").hasSuffix(
        "download it with: hf download a/b --include 'config.json' --include 'diffusion_pytorch_model*.safetensors'"
      ))
    try folder.write([], to: "empty/x")
    #expect(refusal(folder("empty")) == "'\(folder("empty"))' has no config.json; \(Self.needed)")
    try folder.write(#"{"_class_name": "AutoencoderTiny"}"#.utf8, to: "tiny/config.json")
    #expect(
      refusal(folder("tiny"))
        == "'\(folder("tiny/config.json"))': '_class_name' is \"AutoencoderTiny\", which is not supported; supported: "
        + "\"AutoencoderKL\"")
    try folder.write(ForeignFileTests.torch.utf8, to: "vae.pt")
    #expect(refusal(folder("vae.pt")).hasPrefix("'\(folder("vae.pt"))' is a PyTorch checkpoint"))
  }

  @Test(arguments: [
    ("lora_unet_x.lora_up.weight", "is a LoRA, not an autoencoder; give it with --lora"),
    (
      "decoder.layers.0.weight",
      "is a tiny autoencoder, which makes drafts; give its folder in diffusers layout with --decoder"
    ),
    (
      "a.b",
      "holds no autoencoder: it has no 'decoder.conv_in.weight', nor with 'first_stage_model.' or 'vae.' before it; the "
        + "first name in it is 'a.b': give the file or folder of a VAE for SDXL"
    ),
  ])
  func filesOfAnotherKind(_ name: String, _ message: String) throws {
    try Safetensors.write([(name, Tensor(repeating: 1, [2, 2, 1, 1]))], to: path)
    #expect(refusal(path) == "'\(path)' \(message)")
  }

  @Test func aWeightUnderTwoNames() throws {
    let norm = try #require(try other().first { $0.name == "decoder.conv_norm_out.weight" }).tensor
    try Safetensors.write(other() + [("decoder.norm_out.weight", norm)], to: path)
    #expect(
      refusal(path).hasPrefix(
        "'\(path)' holds the weight 'decoder.conv_norm_out.weight' twice, as 'decoder.conv_norm_out.weight' and as "
          + "'decoder.norm_out.weight'"))
  }

  @Test func sizesAndScalesMustBeThoseOfTheModel() throws {
    let kl = try writeFolder()
    try TinyModel.set("scaling_factor", to: "0.18215", in: "kl/config.json", of: folder)
    #expect(
      refusal(kl)
        == "'\(kl)/config.json': 'scaling_factor' is 0.18215, but that of the model's own autoencoder is 0.7, so that it "
        + "decodes latents of another kind of model; take a VAE for this one")
    try Safetensors.write(
      other().map {
        $0.name == "decoder.conv_in.weight" ? ($0.name, Tensor(repeating: 1, [32, 16, 3, 3])) : $0
      },
      to: path)
    #expect(
      refusal(path)
        == "'decoder.conv_in.weight' has shape [32, 16, 3, 3], but the model needs [32, 4, 3, 3]; check that the file "
        + "'\(TinyModel.path)/vae/config.json' used with '\(path)' belongs to it")
  }
}
