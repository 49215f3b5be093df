import Foundation
import SDLensCore

/// `sdlens.safetensors` beside the files of another project: what its format has no place for, so that nothing
/// is lost on the way there and back. The other project does not look at it.
///
/// It has the tensors `last_active`, `mean`, `deviation` and those of the parity case, and as texts block, site, model,
/// fingerprint, steps (those of its vectors and how many there were, as in `0,2/4`), l0, all metadata (each key behind `metadata.`), and the fingerprint of the weights that it belongs to.
enum Sidecar {
  private static let file = "/sdlens.safetensors"

  /// Takes the sidecar of the weights in a folder, if there is one.
  ///
  /// - Throws: `MalformedFile` when the weights have changed since it was written.
  static func read(_ folder: String, weights: String, into saved: inout SavedAutoencoder) throws {
    let path = folder + file
    guard FileManager.default.fileExists(atPath: path) else { return }
    var tensors = try TensorTable(safetensors: path)
    let texts = tensors.metadata
    guard texts["weights"] == (try fingerprint(folder, weights)) else {
      throw MalformedFile(
        path: path, reason: "does not belong to '\(weights)' beside it, which has changed since; remove it")
    }
    try saved.takeStatistics(&tensors)
    try tensors.finish()
    (saved.block, saved.site) = (texts["block"], texts["site"])
    (saved.model, saved.modelFingerprint) = (texts["model"], texts["model_fingerprint"])
    saved.l0 = try texts["l0"].map { text in
      guard let l0 = Double(text), l0 >= 0, l0.isFinite else {
        throw MalformedFile(path: path, reason: "says that l0 is '\(text)', which is no number from 0 on")
      }
      return l0
    }
    saved.steps = try texts["steps"].map { text in
      let numbers = text.split(separator: "/").map { $0.split(separator: ",").compactMap { Int($0) } }
      guard numbers.count == 2, let count = numbers[1].first, count > 0,
        VectorSteps.problem(numbers[0], of: count) == nil
      else {
        throw MalformedFile(path: path, reason: "says that steps are '\(text)', which is not as in 0,2/4")
      }
      return VectorSteps(numbers[0], of: count)
    }
    saved.metadata = [:]
    for (key, text) in texts where key.hasPrefix(prefix) {
      saved.metadata[String(key.dropFirst(prefix.count))] = text
    }
  }

  /// Writes the sidecar of weights that are there already.
  static func write(_ saved: SavedAutoencoder, weights: String, to folder: String) throws {
    var texts = ["weights": try fingerprint(folder, weights)]
    (texts["block"], texts["site"]) = (saved.block, saved.site)
    (texts["model"], texts["model_fingerprint"]) = (saved.model, saved.modelFingerprint)
    texts["steps"] = saved.steps.map { "\($0.steps.map(String.init).joined(separator: ","))/\($0.count)" }
    texts["l0"] = saved.l0.map { "\($0)" }
    for (key, text) in saved.metadata { texts[prefix + key] = text }
    try Safetensors.write(saved.statistics, metadata: texts, to: folder + file)
  }

  private static let prefix = "metadata."

  private static func fingerprint(_ folder: String, _ weights: String) throws -> String {
    var fingerprint = Fingerprint()
    try fingerprint.add(folder + "/" + weights, as: weights)
    return fingerprint.description
  }
}
