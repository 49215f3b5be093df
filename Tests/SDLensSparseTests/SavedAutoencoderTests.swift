import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// One dictionary in the files of several projects: `Scripts/goldens/sparse_formats.py`.
@Suite struct SavedAutoencoderTests {
  private let goldens = Goldens()
  static let formats = ["sdxl-unbox", "saelens", "sparsify", "dictionary_learning"]

  private func read(_ format: String) throws -> SavedAutoencoder {
    try SavedAutoencoder.read(goldens("formats/" + format))
  }

  /// Every value exactly; sparsify's are in bfloat16.
  @Test(arguments: formats) func partsAreRead(format: String) throws {
    let sae = try read(format).autoencoder
    let wanted = try goldens.tensors("formats.safetensors")
    func expect(_ found: Tensor, _ name: String) throws {
      let tensor = try wanted.tensor(name)
      expectClose(found, tensor, within: format == "sparsify" ? 1.0 / 256 : 0, name)
    }
    try expect(sae.encoder, "encoder")
    try expect(sae.decoder, "decoder")
    try expect(sae.preBias, "pre_bias")
    try expect(sae.latentBias, "latent_bias")
    #expect(sae.k == 3)
    #expect(try SavedAutoencoder.formatName(at: goldens("formats/" + format)) == format)
  }

  /// What was measured on other weights is not laid beside those that are there.
  @Test func aDictionaryThatWasExchangedStaysAsItIs() throws {
    let folder = try TemporaryFolder()
    let own = try read("saelens")
    try own.write(to: folder("d"), as: .sdlens)
    let opened = try DictionaryFolder(folder("d"))
    #expect(opened.isAsRead)
    try DictionaryFolder.change(folder("d"), of: opened.autoencoder) {
      try Data("a".utf8).write(to: URL(fileURLWithPath: $0 + "/a"))
    }
    var autoencoder = own.autoencoder
    autoencoder.preBias = Tensor(repeating: 1, autoencoder.preBias.shape)
    try FileManager.default.removeItem(atPath: folder("d"))
    try SavedAutoencoder(autoencoder).write(to: folder("d"), as: .sdlens)
    #expect(!opened.isAsRead)
    let message = errorMessage {
      try DictionaryFolder.change(folder("d"), of: opened.autoencoder) { _ in Issue.record("written") }
    }
    #expect(
      message
        == "'\(folder("d"))' has other weights than when it was read, so nothing was written there; run the same command "
        + "again")
  }

  /// Against float64 in PyTorch.
  @Test(arguments: ["sdxl-unbox", "saelens", "dictionary_learning"]) func codesAreThose(format: String) throws
  {
    let sae = try read(format).autoencoder
    let wanted = try goldens.tensors("formats.safetensors")
    let codes = sae.encode(try wanted.tensor("h"))
    let values = try wanted.tensor("codes.values")
    expectClose(Tensor(codes.padded(to: 3).values, [40, 3]), values, within: 1e-6, "values")
    let indices = try wanted.tensor("codes.indices")
    for slot in 0..<values.count where values[slot] > 0 {
      #expect(Float(codes.padded(to: 3).indices[slot]) == indices[slot], "slot \(slot)")
    }
    expectClose(sae.decode(codes), try wanted.tensor("rows"), within: 1e-6, "rows")
  }

  /// The steps of the vectors are kept in our own format and beside those of others.
  @Test(arguments: SavedAutoencoder.Format.allCases) func stepsAreKept(_ format: SavedAutoencoder.Format)
    throws
  {
    let folder = try TemporaryFolder()
    for (index, steps) in [nil, VectorSteps(of: 4), VectorSteps([0, 2], of: 4)].enumerated() {
      var saved = try read("sdxl-unbox")
      saved.steps = steps
      try saved.write(to: folder("\(index)"), as: format)
      #expect(try SavedAutoencoder.read(folder("\(index)")).steps == steps)
    }
  }

  @Test func whatIsKnownOfThem() throws {
    let wanted = try goldens.tensors("formats.safetensors")
    let unbox = try read("sdxl-unbox")
    #expect(unbox.lastActive == (0..<24).map { $0 * 7 + 1 << 33 })
    expectSame(try #require(unbox.mean), try wanted.tensor("mean"), "mean")
    expectSame(try #require(unbox.deviation), try wanted.tensor("deviation"), "deviation")
    #expect(unbox.metadata == ["last_active_unit": "steps", "auxk": "8", "dead_steps_threshold": "2441"])
    let saelens = try read("saelens")
    #expect(saelens.model == "sdxl-turbo")
    #expect(saelens.metadata == ["hook_name": "unet.down_blocks.2.attentions.1"])
    let learned = try read("dictionary_learning")
    #expect(learned.metadata == ["threshold": "0.25", "submodule_name": "down_blocks.2"])
  }

  @Test(arguments: formats) func aFileWillDo(format: String) throws {
    let file = ["sdxl-unbox": "state_dict.pth", "dictionary_learning": "ae.pt"][format] ?? "cfg.json"
    #expect(try SavedAutoencoder.read(goldens("formats/\(format)/\(file)")).autoencoder.features == 24)
  }

  private static func full() -> SavedAutoencoder {
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        k: 2, encoder: .random([7, 5], seed: 1), decoder: .random([7, 5], seed: 2),
        preBias: .random([5], seed: 3),
        latentBias: .random([7], seed: 4)))
    (saved.block, saved.site, saved.model, saved.modelFingerprint) = ("mid.0", "update", "shapes", "0123")
    saved.lastActive = [0, 1, 2, 3, 4, 5, 1 << 50]
    (saved.mean, saved.deviation) = (.random([7], seed: 5), .random([7], seed: 6))
    saved.metadata = ["note": "ein Käfer", "auxk": "4"]
    return saved
  }

  /// Out and in again, every value and every text, with all that may be known and with nothing.
  @Test(arguments: SavedAutoencoder.Format.allCases, [true, false])
  func roundTripIsLossless(format: SavedAutoencoder.Format, isFull: Bool) throws {
    let folder = try TemporaryFolder()
    let saved = isFull ? Self.full() : SavedAutoencoder(Self.full().autoencoder)
    try saved.write(to: folder("sae"), as: format)
    #expect(try folder.contents == ["sae"])
    #expect(try SavedAutoencoder.formatName(at: folder("sae")) == format.rawValue)
    let found = try SavedAutoencoder.read(folder("sae"))
    let (a, b) = (found.autoencoder, saved.autoencoder)
    #expect(a.k == b.k)
    for (x, y) in [(a.encoder, b.encoder), (a.decoder, b.decoder), (a.preBias, b.preBias)] {
      #expect(x.shape == y.shape && bits(x) == bits(y))
    }
    #expect(bits(a.latentBias) == bits(b.latentBias))
    #expect(found.lastActive == saved.lastActive)
    #expect(found.mean.map(bits) == saved.mean.map(bits))
    #expect(found.deviation.map(bits) == saved.deviation.map(bits))
    #expect(found.block == saved.block && found.site == saved.site)
    #expect(found.model == saved.model && found.modelFingerprint == saved.modelFingerprint)
    #expect(found.metadata == saved.metadata)
  }

  private func bits(_ tensor: Tensor) -> [UInt32] { tensor.elements.map(\.bitPattern) }

  @Test func aSidecarOfOtherWeightsIsRefused() throws {
    let folder = try TemporaryFolder()
    try Self.full().write(to: folder("a"), as: .saelens)
    var other = Self.full()
    other.autoencoder.preBias[0] += 1
    try other.write(to: folder("b"), as: .saelens)
    try FileManager.default.removeItem(atPath: folder("a/sae_weights.safetensors"))
    try FileManager.default.copyItem(
      atPath: folder("b/sae_weights.safetensors"), toPath: folder("a/sae_weights.safetensors"))
    #expect(
      errorMessage { try SavedAutoencoder.read(folder("a")) }
        == "'\(folder("a"))/sdlens.safetensors' does not belong to 'sae_weights.safetensors' beside it, which has "
        + "changed since; remove it")
  }

  @Test func nothingIsOverwritten() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "sae/file")
    #expect(
      errorMessage { try Self.full().write(to: folder("sae"), as: .sdlens) }
        == "'\(folder("sae"))' is there already and not an empty folder; choose another place")
    #expect(try folder.contents == ["sae"])
  }

  @Test func whatIsNoDictionaryIsRefused() throws {
    let folder = try TemporaryFolder()
    #expect(
      errorMessage { try SavedAutoencoder.read(folder.path) }
        == "'\(folder.path)' holds no dictionary of a known format: looked for sae.json and sae.safetensors "
        + "(sdlens), config.json and state_dict.pth (sdxl-unbox), cfg.json and sae_weights.safetensors (saelens), "
        + "cfg.json and sae.safetensors (sparsify), ae.pt and config.json (dictionary_learning)")
    #expect(
      errorMessage { try SavedAutoencoder.read(folder("x")) }
        == "'\(folder("x"))' does not exist; check the path")
  }

  @Test func twoFormatsInOneFolderAreRefused() throws {
    let folder = try TemporaryFolder()
    for file in ["sae.json", "sae.safetensors", "cfg.json"] { try folder.write([1], to: file) }
    #expect(errorMessage { try SavedAutoencoder.read(folder.path) }.contains("(sdlens, sparsify)"))
  }

  /// A change in a file of a golden folder, and what is said.
  struct Change: CustomTestStringConvertible {
    let format, file, old, new, says: String
    var testDescription: String { "\(format): \(old) → \(new)" }
    init(_ format: String, _ file: String, _ old: String, _ new: String, says: String) {
      (self.format, self.file, self.old, self.new, self.says) = (format, file, old, new, says)
    }
  }

  static let changes = [
    Change(
      "saelens", "cfg.json", #""topk""#, #""transcoder""#,
      says:
        "'architecture' is \"transcoder\", which is not supported; supported: \"standard\", \"topk\", \"jumprelu\", "
        + "\"gated\", \"batchtopk\", \"matryoshka_batchtopk\""),
    Change("saelens", "cfg.json", #""topk""#, #""gated""#, says: "has no 'r_mag'"),
    Change("saelens", "cfg.json", #""topk""#, #""jumprelu""#, says: "has no 'threshold'"),
    Change(
      "saelens", "cfg.json", #""normalize_activations": "none""#,
      #""normalize_activations": "constant_norm_rescale""#,
      says:
        "'normalize_activations' is \"constant_norm_rescale\", which is not supported; supported: \"none\", "
        + "\"expected_average_only_in\""),
    Change(
      "saelens", "cfg.json", #""normalize_activations": "none""#,
      #""normalize_activations": "expected_average_only_in""#,
      says: "but the factor is not there: copy activation_scaler.json of the checkpoint beside it"),
    Change("saelens", "cfg.json", #""architecture""#, #""arch""#, says: "has no 'architecture'"),
    Change(
      "saelens", "cfg.json", #""normalize_activations": "none""#, #""normalize_activations": "layer_norm""#,
      says: "'normalize_activations' is \"layer_norm\", which is not supported"),
    Change(
      "saelens", "cfg.json", #""reshape_activations": "none""#, #""reshape_activations": "hook_z""#,
      says: "'reshape_activations' is \"hook_z\", which is not supported"),
    Change(
      "saelens", "cfg.json", #""apply_b_dec_to_input": true"#, #""apply_b_dec_to_input": 1"#,
      says: "'apply_b_dec_to_input' is 1, but it must be true or false"),
    Change(
      "saelens", "cfg.json", #""rescale_acts_by_decoder_norm": false"#,
      #""rescale_acts_by_decoder_norm": "yes""#,
      says: "'rescale_acts_by_decoder_norm' is \"yes\", but it must be true or false"),
    Change("saelens", "cfg.json", #""k": 3"#, #""k": 25"#, says: "'k' is 25, but it must be at most 24"),
    Change("saelens", "cfg.json", #""k": 3"#, #""k": 0"#, says: "'k' is 0, but it must be an integer from 1"),
    Change(
      "saelens", "cfg.json", #""d_sae": 24"#, #""d_sae": 23"#,
      says: "holds 'W_enc' of shape [12, 24], but [12, 23] is needed"),
    Change(
      "sparsify", "cfg.json", #""topk""#, #""groupmax""#, says: "'activation' is \"groupmax\", which is not"),
    Change(
      "sparsify", "cfg.json", #""transcode": false"#, #""transcode": true"#, says: "'transcode' is true"),
    Change(
      "sparsify", "cfg.json", #""skip_connection": false"#, #""skip_connection": true"#,
      says: "'skip_connection' is true, which is not supported"),
    Change("sparsify", "cfg.json", #""d_in""#, #""batch_topk": true, "d_in""#, says: "'batch_topk' is true"),
    Change(
      "sparsify", "cfg.json", #""d_in""#, #""input_unit_norm": true, "d_in""#,
      says: "'input_unit_norm' is true, which is not supported"),
    Change(
      "dictionary_learning", "config.json", "AutoEncoderTopK", "IdentityDict",
      says:
        "'trainer.dict_class' is \"IdentityDict\", which is not supported; supported: \"AutoEncoderTopK\", "
        + "\"BatchTopKSAE\", \"MatryoshkaBatchTopKSAE\", \"JumpReluAutoEncoder\", \"AutoEncoder\", \"AutoEncoderNew\", "
        + "\"GatedAutoEncoder\""
    ),
    Change(
      "dictionary_learning", "config.json", #""k": 3"#, #""k": 4"#,
      says: "has k = 3, but the config.json beside it has 4"),
    Change("dictionary_learning", "config.json", #""trainer""#, #""training""#, says: "has no 'trainer'"),
    Change(
      "sdxl-unbox", "config.json", #""n_dirs_local": 24"#, #""n_dirs_local": 12"#,
      says: "holds 'encoder.weight' of shape [24, 12], but [12, 12] is needed"),
    Change(
      "sdxl-unbox", "config.json", #""k": 3"#, #""k": 99"#, says: "'k' is 99, but it must be at most 24"),
  ]

  @Test(arguments: changes) func isRefused(_ change: Change) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: goldens("formats/" + change.format), toPath: folder("sae"))
    let file = folder("sae/" + change.file)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(text.contains(change.old))
    try text.replacingOccurrences(of: change.old, with: change.new)
      .write(toFile: file, atomically: true, encoding: .utf8)
    let message = errorMessage { try SavedAutoencoder.read(folder("sae")) }
    #expect(message.contains(change.says), "\(message)")
  }

  @Test func kMayStandInTheSettingsAlone() throws {
    let folder = try TemporaryFolder()
    let own = goldens("formats/dictionary_learning")
    for (from, to) in [("early.pt", "ae.pt"), ("config.json", "config.json")] {
      try FileManager.default.copyItem(atPath: "\(own)/\(from)", toPath: folder(to))
    }
    let (found, wanted) = try (SavedAutoencoder.read(folder.path), SavedAutoencoder.read(own))
    #expect(found.autoencoder.k == 3)
    for (found, wanted) in zip(found.autoencoder.parameters.list, wanted.autoencoder.parameters.list) {
      expectSame(found.tensor, wanted.tensor, found.name)
    }
  }

  @Test(arguments: [Float.nan, .infinity]) func notFiniteIsRefused(value: Float) throws {
    let folder = try TemporaryFolder()
    for format in SavedAutoencoder.Format.allCases {
      var saved = Self.full()
      saved.autoencoder.encoder[6] = value
      try saved.write(to: folder(format.rawValue), as: format)
      let message = errorMessage { try SavedAutoencoder.read(folder(format.rawValue)) }
      #expect(message.contains("holds \(value) in '"), "\(message)")
      #expect(message.contains("but all values must be finite"))
    }
  }

  @Test func aTensorTooMuchIsRefused() throws {
    let folder = try TemporaryFolder()
    try Self.full().write(to: folder("a"), as: .sparsify)
    let path = folder("a/sae.safetensors")
    let file = try Safetensors(contentsOf: path)
    try Safetensors.write(
      try file.names.map { ($0, try file.tensor($0)) } + [("W_skip", Tensor([5, 5]))], to: path)
    #expect(
      errorMessage { try SavedAutoencoder.read(folder("a")) }
        == "'\(path)' holds what a dictionary of this kind does not have in this format: 'W_skip'")
  }
}
