import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// Dictionaries and activations as people's programs wrap, cut and pack them: `Scripts/goldens/dictionary_variants.py`.
@Suite struct DictionaryVariantsTests {
  private let goldens = Goldens()

  /// The dictionary of sdxl-unbox with other weights.
  private func unbox(_ weights: String, in folder: TemporaryFolder) throws -> SavedAutoencoder {
    let manager = FileManager.default
    try manager.copyItem(atPath: goldens("formats/sdxl-unbox"), toPath: folder("sae"))
    try manager.removeItem(atPath: folder("sae/state_dict.pth"))
    try manager.copyItem(atPath: goldens("variants/" + weights), toPath: folder("sae/state_dict.pth"))
    return try SavedAutoencoder.read(folder("sae"))
  }

  /// Wherever the weights are in the file and whatever is beside them: every value exactly.
  @Test(arguments: [
    "bare", "model", "module", "compiled", "nested", "training", "beside", "double", "attributes", "ordered",
    "module_class", "deflated", "folders", "large", "streamed", "commented",
  ]) func stateDictionariesAreRead(name: String) throws {
    let folder = try TemporaryFolder()
    let saved = try unbox("torch/\(name).pth", in: folder)
    let wanted = try goldens.tensors("formats.safetensors")
    for (part, tensor) in [
      ("encoder", saved.autoencoder.encoder), ("decoder", saved.autoencoder.decoder),
      ("pre_bias", saved.autoencoder.preBias), ("latent_bias", saved.autoencoder.latentBias),
    ] { try expectSame(tensor, wanted.tensor(part), part) }
    #expect(saved.lastActive == (0..<24).map { $0 * 7 + 1 << 33 })
    let names = "'encoder.weight', 'decoder.weight', 'pre_bias', 'latent_bias'"
    #expect(
      saved.notes
        == (name == "double"
          ? ["'\(folder("sae"))/state_dict.pth' has float64 in \(names), rounded to float32"] : []))
  }

  static let refusals = [
    "two-places":
      "holds 'encoder.weight' and the rest more than once, as 'ema', 'model'; save the one that is meant",
    "two-prefixes":
      "more than once, as 'a.encoder.weight', 'b.encoder.weight'; save the one that is meant alone",
    "scale": "holds what a dictionary of this kind does not have in this format: 'input_scale'",
    "activation": "holds what a dictionary of this kind does not have in this format: 'activation'",
    "other-k": "holds what a dictionary of this kind does not have in this format: 'k'",
    "tensor-beside": "holds what a dictionary of this kind does not have in this format: 'W_skip'",
    "sparse-beside": "holds what a dictionary of this kind does not have in this format: 'W_skip'",
    "half-missing": "has no 'encoder.weight'",
    "far": "in 'pre_bias' at position 0, rounded to float32, but all values must be finite",
    "complex": "holds 'pre_bias' as a tensor of a torch.ComplexFloatStorage, but a tensor is needed",
    "negative": "a tensor is a negative or conjugate view; save a clone of it",
    "defaultdict": "asks for 'collections.defaultdict', but only what tensors need is accepted",
    "class": "asks for 'argparse.Namespace', but only what tensors need is accepted",
  ]

  @Test(arguments: refusals.keys.sorted()) func isRefused(name: String) throws {
    let folder = try TemporaryFolder()
    let message = errorMessage { try unbox("refused/\(name).pth", in: folder) }
    #expect(message.contains(Self.refusals[name]!), "\(message)")
    #expect(message.hasPrefix("'\(folder("sae"))/state_dict.pth' "))
  }

  /// Codes and rows are those that sae-lens computes (in float64), with its options folded in.
  @Test(arguments: [
    "far", "unnormed", "uncentred", "far-uncentred", "all", "double", "half", "zero", "trained", "training",
  ]) func optionsOfSAELensAreFoldedIn(name: String) throws {
    let saved = try SavedAutoencoder.read(goldens("variants/saelens/\(name)"))
    let sae = saved.autoencoder
    let wanted = try goldens.tensors("variants.safetensors")
    let codes = sae.encode(try wanted.tensor("h"))
    var dense = Tensor([codes.rows, sae.features])
    codes.forEachActive { row, feature, value in dense[row * sae.features + feature] = value }
    expectClose(dense, try wanted.tensor("\(name).values"), within: 1e-6, "values")
    expectClose(sae.decode(codes), try wanted.tensor("\(name).rows"), within: 1e-6, "rows")
    #expect(sae.k == (name == "all" ? 24 : name == "far-uncentred" ? 5 : 3))
    #expect(saved.notes.count == (["double", "zero"].contains(name) ? 1 : 0), "\(saved.notes)")
    if name == "zero" {
      #expect(saved.notes[0].contains("has 4 features whose directions are zero"))
    }
  }

  /// Written and read again it is the same: nothing is folded twice.
  @Test func whatWasFoldedStays() throws {
    let folder = try TemporaryFolder()
    let saved = try SavedAutoencoder.read(goldens("variants/saelens/far-uncentred"))
    try saved.write(to: folder("again"), as: .saelens)
    let again = try SavedAutoencoder.read(folder("again"))
    expectSame(again.autoencoder.encoder, saved.autoencoder.encoder, "encoder")
    expectSame(again.autoencoder.decoder, saved.autoencoder.decoder, "decoder")
    expectSame(again.autoencoder.latentBias, saved.autoencoder.latentBias, "latent_bias")
  }

  /// Folding may leave the range of float32.
  @Test func whatIsTooLargeWhenFoldedIsRefused() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: goldens("variants/saelens/far"), toPath: folder("sae"))
    let path = folder("sae/sae_weights.safetensors")
    let file = try Safetensors(contentsOf: path)
    let tensors = try file.names.map { name in
      (
        name,
        name == "W_dec" || name == "W_enc"
          ? Tensor(repeating: 1e30, try file.tensor(name).shape) : try file.tensor(name)
      )
    }
    try FileManager.default.removeItem(atPath: path)
    try Safetensors.write(tensors, to: path)
    #expect(
      errorMessage { try SavedAutoencoder.read(folder("sae")) }
        .contains(
          "holds inf in 'W_enc' at position 0, with its options folded in, but all values must be finite"))
  }

  private func samples(_ name: String) throws -> UnboxActivations.Samples {
    try UnboxActivations(goldens("variants/tars/\(name)")).samples(of: "unet.down_blocks.2.attentions.1")
  }

  /// What webdataset reads.
  @Test(arguments: ["dot", "folders", "mac", "pax", "gnu", "capitals", "meta", "links"])
  func tarsAreRead(name: String) throws {
    let samples = try samples(name)
    let wanted = try goldens.tensors("formats.safetensors")
    for number in [0, 17] {
      let sample = try #require(try samples.next())
      #expect(sample.batch.number == number && !sample.isRounded)
      #expect(sample.batch.prompts == ["picture \(number)", "a café"])
      expectSame(sample.update, try wanted.tensor("activations.\(number)"), name)
    }
    #expect(try samples.next() == nil)
  }

  @Test(arguments: [
    ("twice", "holds 'sample_0.diff.pth' twice; collect it again"),
    ("dots", "has no 'sample_0.diff.pth'; collect it again"),
    ("split", "has no 'a/sample_0.gen_args.json'; collect it again"),
  ]) func tarsAreRefused(name: String, says: String) throws {
    let message = errorMessage { try samples(name).next() }
    #expect(message.contains(says), "\(message)")
  }

  /// The first sample of a tar with other arguments of the same length.
  private func batch(_ old: String, _ new: String) throws -> UnboxActivations.Batch? {
    let folder = try TemporaryFolder()
    let path = goldens("variants/tars/dot/unet.down_blocks.2.attentions.1.tar")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let padded =
      Array(new.utf8) + [UInt8](repeating: UInt8(ascii: " "), count: old.utf8.count - new.utf8.count)
    let changed = bytes.replacing(Array(old.utf8), with: padded)
    #expect(changed.count == bytes.count && changed != bytes)
    try folder.write(changed, to: "unet.down_blocks.2.attentions.1.tar")
    return try UnboxActivations(folder.path).samples(of: "unet.down_blocks.2.attentions.1").next()?.batch
  }

  @Test func argumentsAreReadAsPythonWritesThem() throws {
    let old = #""num_inference_steps": 1"#
    for (new, guidance) in [
      (#""eta": NaN"#, 0), (#""guidance_scale": "0.5""#, 0.5), (#""guidance_scale": 2"#, 2),
    ] {
      let batch = try #require(try batch(old, new))
      #expect(batch.guidance == guidance && batch.prompts == ["picture 0", "a café"], "\(new)")
    }
    for (old, new, message) in [
      (old, #""guidance_scale": true"#, "has as 'guidance_scale' true, but it must be a number"),
      (old, #""guidance_scale": NaN"#, "has as 'guidance_scale' nan, but it must be a number"),
      (#"{"prompt""#, #"["prompt""#, "is no JSON object; collect it again"),
      (#"{"prompt""#, #"{"promp""#, "has no list of prompts under 'prompt'; collect it again"),
    ] {
      let found = errorMessage { try batch(old, new) }
      #expect(found.hasSuffix(message), "\(found)")
    }
  }
}
