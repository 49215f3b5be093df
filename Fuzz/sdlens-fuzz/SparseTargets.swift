import Foundation
import SDLensCore
@testable import SDLensSparse

/// Torch files, tars, dictionaries in all their formats, activations and what a training leaves.
let sparseTargets = [
  FuzzTarget("pickle", []) { bytes in
    do { _ = try PickleReader.tree(of: Array(bytes)).root.kind } catch let problem as Pickle.Problem {
      _ = problem.reason
    }
  },
  FuzzTarget("torch-file", files(formats, ".pth", ".pt") + files(variants + "/torch", ".pth")) { bytes in
    try tensors(of: TorchFile(bytes, path: "x.pth"))
  },
  // The pickle of a file whose other members are whole.
  FuzzTarget(
    "state-dictionary", [],
    prepare: { folder in
      try folder.copy(formats + "/sdxl-unbox")
      let numbers = [UInt8](repeating: 1, count: 24 * 12 * 4)
      return { bytes in
        let members =
          [ZipFile.Member("a/data.pkl", Array(bytes))]
          + (0..<6).map { .init("a/data/\($0)", $0 < 4 ? numbers : Array(numbers.prefix(($0 - 3) * 96))) }
        try ZipFile.write(members, to: folder("state_dict.pth"))
        do { try tensors(of: TorchFile(contentsOf: folder("state_dict.pth"))) } catch is TorchFileError {}
        _ = try SavedAutoencoder.read(folder.path)
      }
    }),
  FuzzTarget(
    "unbox-tar", files(formats + "/activations", ".tar") + files(variants + "/tars", ".tar"),
    file: "down.2.1.tar"
  ) { _, folder in
    let samples = try UnboxActivations(folder.path).samples(of: "down.2.1")
    while try samples.next() != nil {}
  },
  dictionary("sae-json", "sae.json", nil),
  dictionary("sae-weights", "sae.safetensors", nil),
  dictionary("unbox-config", "config.json", "sdxl-unbox"),
  dictionary("unbox-mean", "mean.pt", "sdxl-unbox"),
  dictionary("saelens-config", "cfg.json", "saelens"),
  dictionary("saelens-weights", "sae_weights.safetensors", "saelens"),
  dictionary("sparsify-config", "cfg.json", "sparsify"),
  dictionary("dictionary-learning-config", "config.json", "dictionary_learning"),
  FuzzTarget("captions", [], file: "captions.jsonl") { path, _ in
    _ = try FeatureCaptions.read(path, features: 24)
  },
  FuzzTarget("manifest", [], file: "manifest.json") { _, folder in
    let manifest = try ActivationManifest(storeAt: folder.path)
    _ = try (manifest.fingerprint, manifest.bytes(pictures: 1), manifest.difference(from: manifest))
    // Every shard is looked for.
    if manifest.shards < 64 { _ = try ActivationStore(folder.path).activations(of: "down.2.1") }
  },
  FuzzTarget(
    "shard", [],
    prepare: { folder in
      try JSON.write(manifest, to: folder("manifest.json"))
      return { bytes in
        try folder.write(bytes, to: "shard-00000.safetensors")
        try read(ActivationStore(folder.path))
      }
    }),
  FuzzTarget("statistics", [], file: "statistics.safetensors") { path, _ in
    _ = try FeatureStatistics(contentsOf: path, features: 3)
  },
  FuzzTarget("examples", [], file: "examples.safetensors") { path, _ in
    let examples = try FeatureExamples(contentsOf: path, features: 3)
    for feature in 0..<3 { _ = (examples.top(of: feature), examples.map(of: feature, rank: 0)) }
  },
  FuzzTarget("training-checkpoint", [], file: "checkpoint.safetensors") { path, folder in
    try TrainingCheckpoint(contentsOf: path).write(to: folder("again"))
  },
  FuzzTarget("training-log", [], file: "log.jsonl") { path, _ in
    _ = try? TrainingLog.reports(in: path)
    _ = try TrainingLog(path: path, keepingUpTo: 3)
  },
]

/// A file of a dictionary whose other files are as they should be; `format` nil is our own.
private func dictionary(_ name: String, _ file: String, _ format: String?) -> FuzzTarget {
  let original = format.map { "\(formats)/\($0)" }
  return FuzzTarget(name, original.map { ["\($0)/\(file)"] } ?? []) { folder in
    if let original {
      try folder.copy(original)
    } else {
      try SavedAutoencoder.read(formats + "/sdxl-unbox").write(into: folder.path)
    }
    return { bytes in
      try folder.write(bytes, to: file)
      let sae = try SavedAutoencoder.read(folder.path).autoencoder
      _ = sae.decode(sae.encode(Tensor(repeating: 1, [1, sae.width])))
    }
  }
}

/// Reads all tensors of a torch file.
private func tensors(of file: TorchFile) throws {
  for (name, value) in try file.dictionary() {
    guard case .tensor(let tensor) = value else { continue }
    do { _ = try file.tensor(tensor, name: name) } catch is TorchFileError {
      _ = try file.integers(tensor, name: name)
    }
  }
}

/// A store of four pictures.
private let manifest = ActivationManifest(
  model: "m", modelFingerprint: "f", site: "update",
  blocks: [.init(name: "down.2.1", width: 6, mapHeight: 2, mapWidth: 3)], dtype: .float16, pictures: 4,
  picturesPerShard: 4, places: 2, seed: 7, steps: 2, guidance: 0, height: 16, width: 24, prompts: "p")

/// Reads all that a store has.
private func read(_ store: ActivationStore) throws {
  if let problem = store.damaged.first { throw problem }
  for problem in store.verify() { _ = problem.description }
  _ = try store.prompts()
  let activations = try store.activations(of: "down.2.1")
  for picture in 0..<activations.pictures {
    _ = activations.rows(ofPicture: picture)
    _ = try activations.places(ofPicture: picture)
  }
}
