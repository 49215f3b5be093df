import Foundation
import SDLensCore

/// sdxl-unbox, the code of the paper: `config.json`, `state_dict.pth`, and `mean.pt` and `std.pt` where known.
///
/// Its `stats_last_nonzero` counts training steps, not vectors, and the number of vectors in a step is not in
/// these files: what is read stays as it is, with `last_active_unit` = `steps` in the metadata. What was counted
/// in vectors is written as if every step had one, with the threshold of a dead feature to match.
enum UnboxLayout: WritableLayout {
  static let name = "sdxl-unbox"
  static let files = ["config.json", "state_dict.pth"]
  private static let weights = "state_dict.pth"

  private struct Config: Encodable {
    let nDirsLocal, dModel, k, auxk, deadStepsThreshold: Int
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/config.json")
    let (n, d) = (try config.int("n_dirs_local"), try config.int("d_model"))
    var tensors = try TensorTable(
      torch: folder + "/" + weights,
      needing: ["encoder.weight", "decoder.weight", "pre_bias", "latent_bias"])
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        k: try config.k(features: n), encoder: try tensors.floats("encoder.weight", [n, d]),
        decoder: try tensors.floats("decoder.weight", [n, d], transposed: true),
        preBias: try tensors.floats("pre_bias", [d]), latentBias: try tensors.floats("latent_bias", [n])))
    saved.lastActive = try tensors.integers("stats_last_nonzero", [n])
    try tensors.finish(config)
    saved.notes = tensors.notes
    saved.metadata["last_active_unit"] = "steps"
    for key in ["auxk", "dead_steps_threshold"] {
      saved.metadata[key] = config[key].map { "\($0)" }
    }
    saved.mean = try vector("mean.pt", in: folder, count: n, &saved.notes)
    saved.deviation = try vector("std.pt", in: folder, count: n, &saved.notes)
    try Sidecar.read(folder, weights: weights, into: &saved)
    return saved
  }

  static func write(_ saved: SavedAutoencoder, to folder: String) throws {
    let (sae, k) = (saved.autoencoder, try saved.k(for: Self.self))
    try TorchFile.write(
      .dictionary([
        (
          "state_dict",
          .dictionary([
            ("pre_bias", .floats(sae.preBias)), ("latent_bias", .floats(sae.latentBias)),
            // Its class has this one always; without a count, that of a fresh class.
            (
              "stats_last_nonzero",
              .integers(saved.lastActive ?? Array(repeating: 0, count: sae.features))
            ),
            ("encoder.weight", .floats(sae.encoder)),
            ("decoder.weight", .floats(sae.decoder, transposed: true)),
          ])
        )
      ]), to: folder + "/" + weights)
    if let mean = saved.mean { try TorchFile.write(.floats(mean), to: folder + "/mean.pt") }
    if let deviation = saved.deviation { try TorchFile.write(.floats(deviation), to: folder + "/std.pt") }
    try writeJSON(
      Config(
        nDirsLocal: sae.features, dModel: sae.width, k: k,
        auxk: saved.metadata["auxk"].flatMap { Int($0) } ?? min(256, sae.features),
        deadStepsThreshold: saved.metadata["dead_steps_threshold"].flatMap { Int($0) } ?? 10_000_000),
      to: folder + "/config.json")
    try Sidecar.write(saved, weights: weights, to: folder)
  }

  /// A file that holds one vector; nil when it is not there.
  private static func vector(
    _ name: String, in folder: String, count: Int, _ notes: inout [String]
  ) throws -> Tensor? {
    let path = folder + "/" + name
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let file = try TorchFile(contentsOf: path)
    guard case .tensor(let tensor) = file.root, tensor.shape == [count] else {
      throw MalformedFile(
        path: path, reason: "does not hold a vector of \(count) numbers, one for each feature")
    }
    let change = tensor.isDouble ? TensorTable.rounding : nil
    if let change { notes.append("'\(path)' has float64, \(change)") }
    return try file.tensor(tensor, name: name).finite(name: name, path: path, after: change)
  }
}
