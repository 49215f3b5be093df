import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// Dictionaries of every kind as their projects save them, `Scripts/goldens/dictionary_kinds.py`, and our own.
@Suite struct DictionaryKindTests {
  private static let goldens = Goldens()
  static let names = [
    "saelens-batchtopk", "saelens-batchtopk-training", "saelens-unnormed", "saelens-unnormed-training",
    "saelens-matryoshka", "saelens-matryoshka-training", "saelens-jumprelu", "saelens-jumprelu-training",
    "saelens-scaled", "saelens-standard", "saelens-standard-training", "saelens-gated",
    "saelens-gated-training",
    "saelens-gated-uncentred", "saelens-gated-uncentred-training", "saelens-5-relu", "saelens-5-topk",
    "saelens-5-bare", "dictionary_learning-top", "dictionary_learning-batch", "dictionary_learning-unset",
    "dictionary_learning-matryoshka", "dictionary_learning-jumprelu", "dictionary_learning-standard",
    "dictionary_learning-uncentred", "dictionary_learning-gated",
  ]

  private func expect(_ sae: SparseAutoencoder, is name: String) throws {
    let wanted = try Self.goldens.tensors("kinds.safetensors")
    let codes = sae.encode(try wanted.tensor("h"))
    var dense = Tensor([codes.rows, sae.features])
    codes.forEachActive { row, feature, value in dense[row * sae.features + feature] = value }
    expectClose(dense, try wanted.tensor("\(name).values"), within: 2e-6, "values")
    expectClose(sae.decode(codes), try wanted.tensor("\(name).rows"), within: 2e-6, "rows")
  }

  /// `sae.encode(h)`, `sae.decode(…)`; and the same after a way through our format, and through SAELens'.
  @Test(arguments: names) func computesWhatTheProjectDoes(name: String) throws {
    let saved = try SavedAutoencoder.read(Self.goldens("kinds/\(name)"))
    #expect((saved.autoencoder.k == nil) == !["dictionary_learning-top", "saelens-5-topk"].contains(name))
    try expect(saved.autoencoder, is: name)
    let folder = try TemporaryFolder()
    for format in [SavedAutoencoder.Format.sdlens, .saelens] {
      try saved.write(to: folder(format.rawValue), as: format)
      let again = try SavedAutoencoder.read(folder(format.rawValue))
      #expect(again.autoencoder.selection == saved.autoencoder.selection)
      expectSame(again.autoencoder.encoder, saved.autoencoder.encoder, "encoder")
      expectSame(again.autoencoder.latentBias, saved.autoencoder.latentBias, "latent_bias")
      #expect(again.metadata == saved.metadata)
      try expect(again.autoencoder, is: name)
    }
  }

  @Test func whatIsKnownOfThem() throws {
    func read(_ name: String) throws -> SavedAutoencoder {
      try SavedAutoencoder.read(Self.goldens("kinds/\(name)"))
    }
    #expect(try read("dictionary_learning-matryoshka").metadata["group_sizes"] == "4 8 12")
    #expect(try read("dictionary_learning-batch").metadata["threshold"] == "0.7")
    let unset = try read("dictionary_learning-unset")
    #expect(
      unset.notes.count == 1 && unset.notes[0].contains("has threshold -1.0, which its training has not"))
    #expect(try read("dictionary_learning-batch").notes == [])
    let old = try read("saelens-5-bare")
    #expect(old.model == "sdxl-turbo" && old.metadata["hook_name"] == "down")
  }

  @Test(arguments: [SavedAutoencoder.Format.sdxlUnbox, .sparsify])
  func noPlaceForThresholds(format: SavedAutoencoder.Format) throws {
    let folder = try TemporaryFolder()
    let saved = try SavedAutoencoder.read(Self.goldens("kinds/saelens-jumprelu"))
    #expect(
      errorMessage { try saved.write(to: folder("out"), as: format) }
        == "the features of the dictionary are active above thresholds, for which the format \(format.rawValue) has no "
        + "place; write it as sdlens or saelens")
    #expect(try folder.contents == [])
  }

  /// A tensor of the file of a dictionary of ours, changed.
  private func changed(
    _ name: String, _ change: (Tensor) -> Tensor?, in folder: TemporaryFolder
  ) throws -> String {
    let saved = try SavedAutoencoder.read(Self.goldens("kinds/saelens-jumprelu"))
    let place = "changed"
    try? FileManager.default.removeItem(atPath: folder(place))
    try saved.write(to: folder(place), as: .sdlens)
    let path = folder("\(place)/sae.safetensors")
    let file = try Safetensors(contentsOf: path)
    let items = try file.names.compactMap { found -> Safetensors.Item? in
      let shape = file.entry(found)!.shape
      switch file.entry(found)!.type {
      case .i64: return .init(found, try file.integers(found), shape)
      case .i32: return .init(found, try file.integers(found).map { Int32($0) }, shape)
      default:
        let tensor = try file.tensor(found)
        return (found == name ? change(tensor) : tensor).map { .init(found, $0) }
      }
    }
    try FileManager.default.removeItem(atPath: path)
    try Safetensors.write(items, metadata: file.metadata, to: path)
    return errorMessage { try SavedAutoencoder.read(folder(place)) }
      .replacingOccurrences(of: folder(place), with: "SAE")
  }

  /// What does not compute what it did is refused, whichever of its parts was mistaken.
  @Test(arguments: ["encoder", "pre_bias", "latent_bias", "threshold", "parity.vectors", "parity.values"])
  func parityThatDoesNotFit(name: String) throws {
    let folder = try TemporaryFolder()
    let message = try changed(
      name,
      { tensor in
        // As a transposed matrix would be: the same numbers elsewhere.
        Tensor(Array(tensor.elements.reversed()), tensor.shape)
      }, in: folder)
    #expect(
      message.hasPrefix(
        "the dictionary in 'SAE/sae.safetensors' is not what was saved: in vector "), "\(message)")
    #expect(
      message.hasSuffix(
        "; its files were changed or do not belong together, so take them from where they came"))
    #expect(try changed(name, { $0 }, in: folder) == "")
  }

  @Test(arguments: ["parity.vectors", "parity.values"]) func parityThatIsNone(name: String) throws {
    let message = try changed(name, { Tensor([$0[0]], Shape([])) }, in: TemporaryFolder())
    #expect(message == "'SAE/sae.safetensors' has a parity case that is none; download it or save it again")
  }

  /// Also of the files of other projects that we wrote.
  @Test func parityBesideOtherFormats() throws {
    let folder = try TemporaryFolder()
    try SavedAutoencoder.read(Self.goldens("formats/saelens")).write(to: folder("sae"), as: .saelens)
    let sidecar = try Safetensors(contentsOf: folder("sae/sdlens.safetensors"))
    #expect(Set(sidecar.names).isSuperset(of: ["parity.vectors", "parity.starts", "parity.indices"]))
    let text = try String(contentsOfFile: folder("sae/cfg.json"), encoding: .utf8)
    try text.replacingOccurrences(of: "\"k\" : 3", with: "\"k\" : 2")
      .write(toFile: folder("sae/cfg.json"), atomically: true, encoding: .utf8)
    #expect(errorMessage { try SavedAutoencoder.read(folder("sae")) }.contains("is not what was saved"))
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func thresholdsThatAreNoNumbers(value: Float) throws {
    let folder = try TemporaryFolder()
    let message = try changed(
      "threshold",
      { tensor in
        var tensor = tensor
        tensor[5] = value
        return tensor
      }, in: folder)
    #expect(
      message
        == "'SAE/sae.safetensors' holds \(value) in 'threshold' at position 5, but all values must be finite; download it "
        + "or save it again")
  }

  @Test func matricesOfAnotherWidth() throws {
    let folder = try TemporaryFolder()
    let message = try changed(
      "decoder", { Tensor(Array($0.elements.prefix(24 * 11)), [24, 11]) }, in: folder)
    #expect(
      message
        == "'SAE/sae.safetensors' holds 'decoder' of shape [24, 11], but [24, 12] is needed; check that the configuration "
        + "beside it belongs to it")
    #expect(try changed("threshold", { _ in nil }, in: folder).contains("has no 'threshold'"))
  }

  /// Older dictionaries have no parity case.
  @Test func olderDictionariesAreRead() throws {
    let folder = try TemporaryFolder()
    var saved = try SavedAutoencoder.read(Self.goldens("formats/saelens"))
    saved.l0 = 2.5
    try saved.write(to: folder("sae"), as: .sdlens)
    let path = folder("sae/sae.safetensors")
    let file = try Safetensors(contentsOf: path)
    #expect(file.names.contains("parity.values"))
    let old = try file.names.filter { !$0.hasPrefix("parity.") }.map { ($0, try file.tensor($0)) }
    try FileManager.default.removeItem(atPath: path)
    try Safetensors.write(old, to: path)
    let found = try SavedAutoencoder.read(folder("sae"))
    #expect(found.autoencoder.k == 3 && found.l0 == 2.5)
  }

  /// What the settings of versions before 6 may say that is not computed here.
  @Test(arguments: [
    (
      #""activation_fn_str": "relu""#, #""activation_fn_str": "tanh-relu""#,
      "'activation_fn' is \"tanh-relu\", which is not supported; supported: \"relu\", \"topk\""
    ),
    (
      #""hook_name": "down""#, #""hook_name": "blocks.0.attn.hook_z""#,
      "'reshape_activations' is \"hook_z\", which is not supported"
    ),
    (#""normalize_activations": "none""#, #""normalize_activations": true"#, "but the factor is not there"),
    (
      #""normalize_activations": "none""#, #""normalize_activations": "layer_norm""#,
      "'normalize_activations' is \"layer_norm\", which is not supported"
    ),
  ])
  func settingsOfOldVersions(_ old: String, _ new: String, _ says: String) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.goldens("kinds/saelens-5-relu"), toPath: folder("sae"))
    let path = folder("sae/cfg.json")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(old))
    try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
    let message = errorMessage { try SavedAutoencoder.read(folder("sae")) }
    #expect(message.contains(says), "\(message)")
  }

  // handle_pre_6_0_config takes k from there, whatever the function
  @Test func aNumberOfActiveFeaturesBesideAnotherFunction() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.goldens("kinds/saelens-5-topk"), toPath: folder("sae"))
    let path = folder("sae/cfg.json")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacing(#""architecture": "standard""#, with: #""architecture": "topk""#)
      .replacing(#""activation_fn_str": "topk""#, with: #""activation_fn_str": "relu""#)
      .write(toFile: path, atomically: true, encoding: .utf8)
    try expect(SavedAutoencoder.read(folder("sae")).autoencoder, is: "saelens-5-topk")
  }

  @Test func aScaleThatWasTunedIsRefused() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.goldens("kinds/saelens-5-relu"), toPath: folder("sae"))
    let path = folder("sae/sae_weights.safetensors")
    let file = try Safetensors(contentsOf: path)
    let tensors = try file.names.map {
      ($0, $0 == "scaling_factor" ? Tensor(repeating: 1.1, [24]) : try file.tensor($0))
    }
    try FileManager.default.removeItem(atPath: path)
    try Safetensors.write(tensors, to: path)
    #expect(
      errorMessage { try SavedAutoencoder.read(folder("sae")) }.contains(
        "has a 'scaling_factor' other than 1, which SAELens 6 does not apply"))
  }

  @Test func scalersThatAreNone() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.goldens("kinds/saelens-scaled"), toPath: folder("sae"))
    func message(_ text: String) throws -> String {
      try folder.write(text.utf8, to: "sae/activation_scaler.json")
      return errorMessage { try SavedAutoencoder.read(folder("sae")) }
    }
    #expect(try message(#"{"scaling_factor": 0.37, "has_whitening": false}"#) == "")
    #expect(
      try message(#"{"scaling_factor": "2"}"#).contains(
        "'scaling_factor' is \"2\", but it must be a number above 0"))
    #expect(
      try message(#"{"scaling_factor": 2, "has_whitening": true}"#).contains(
        "'has_whitening' is true, which is not supported"))
  }
}
