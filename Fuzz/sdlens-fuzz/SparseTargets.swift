import Foundation
import SDLensCore
@testable import SDLensSparse

/// Torch files, tars, dictionaries in all their formats, activations and what a training leaves.
let sparseTargets = [
  FuzzTarget("pickle", pickles) { bytes in
    do { _ = try PickleReader.tree(of: Array(bytes)).root.kind } catch let problem as Pickle.Problem {
      _ = problem.reason
    }
  },
  FuzzTarget("torch-file", torchFiles.map(Seed.file)) { bytes in
    try tensors(of: TorchFile(bytes, path: "x.pth"))
  },
  // The pickle of a file whose other members are whole.
  FuzzTarget(
    "state-dictionary", pickles,
    prepare: { folder in
      try folder.copy(formats + "/sdxl-unbox", ["config.json"])
      let numbers = [UInt8](repeating: 1, count: 24 * 12 * 4)
      return { bytes in
        let members =
          [ZipFile.Member("a/data.pkl", Array(bytes))]
          + (0..<6).map { .init("a/data/\($0)", $0 < 4 ? numbers : Array(numbers.prefix(($0 - 3) * 96))) }
        try ZipFile.write(members, to: folder("state_dict.pth"))
        _ = try SavedAutoencoder.read(folder.path)
      }
    }),
  FuzzTarget(
    "unbox-tar", (paths(formats + "/activations", ".tar") + paths(variants + "/tars", ".tar")).map(Seed.file),
    file: "down.2.1.tar"
  ) { _, folder in
    let samples = try UnboxActivations(folder.path).samples(of: "down.2.1")
    while try samples.next() != nil {}
  },
  dictionary("sae-json", "sae.json", nil),
  dictionary("sae-weights", "sae.safetensors", nil),
  dictionary("unbox-config", "config.json", formats + "/sdxl-unbox"),
  dictionary("unbox-mean", "mean.pt", formats + "/sdxl-unbox"),
  dictionary("saelens-config", "cfg.json", formats + "/saelens"),
  dictionary("saelens-weights", "sae_weights.safetensors", formats + "/saelens"),
  dictionary("saelens-scaler", "activation_scaler.json", kinds + "/saelens-scaled"),
  dictionary("jumprelu-config", "cfg.json", kinds + "/saelens-jumprelu"),
  dictionary("jumprelu-weights", "sae_weights.safetensors", kinds + "/saelens-jumprelu"),
  dictionary("gated-config", "cfg.json", kinds + "/saelens-gated"),
  dictionary("old-config", "cfg.json", kinds + "/saelens-5-topk"),
  dictionary("sparsify-config", "cfg.json", formats + "/sparsify"),
  dictionary("dictionary-learning-config", "config.json", formats + "/dictionary_learning"),
  dictionary("gate-config", "config.json", kinds + "/dictionary_learning-gated"),
  dictionary("matryoshka-config", "config.json", kinds + "/dictionary_learning-matryoshka"),
  FuzzTarget("captions", [#"{"feature": 3, "caption": "a red circle"}"#], file: "captions.jsonl") { path, _ in
    _ = try FeatureCaptions(contentsOf: path, features: 24)
  },
  FuzzTarget("manifest", [Seed { try JSON.text(manifest) }], file: "manifest.json") { _, folder in
    let manifest = try ActivationManifest(storeAt: folder.path)
    _ = try (manifest.fingerprint, manifest.bytes(pictures: 1), manifest.difference(from: manifest))
    // Every shard is looked for.
    if manifest.shards < 64 { _ = try ActivationStore(folder.path).activations(of: "down.2.1") }
  },
  FuzzTarget(
    "shard", [shard],
    prepare: { folder in
      try JSON.write(manifest, to: folder("manifest.json"))
      return { bytes in
        folder.write(bytes, to: "shard-00000.safetensors")
        try read(ActivationStore(folder.path))
      }
    }),
  FuzzTarget(
    "recorded-pictures", ["{\"picture\": 3, \"prompt\": \"a red circle\"}\n"],
    prepare: { folder in
      try JSON.write(manifest, to: folder("activations.json"))
      return { bytes in
        folder.write(bytes, to: "pictures.jsonl")
        let recorded = try RecordedPictures(in: folder.path)
        for picture in recorded.prompts.keys { _ = try recorded.seed(of: picture) }
      }
    }),
  FuzzTarget("statistics", [.written { try counts.statistics.write(to: $0) }], file: "statistics.safetensors")
  { path, _ in
    _ = try FeatureStatistics(contentsOf: path, features: 3)
  },
  FuzzTarget("examples", [.written { try examples.write(to: $0) }], file: "examples.safetensors") {
    path, _ in
    let examples = try FeatureExamples(contentsOf: path, features: 3)
    for feature in 0..<3 { _ = (examples.top(of: feature), examples.map(of: feature, rank: 0)) }
  },
  FuzzTarget(
    "training-checkpoint", [.written { try trained().checkpoint.write(to: $0) }],
    file: "checkpoint.safetensors"
  ) { path, folder in
    try TrainingCheckpoint(contentsOf: path).write(to: folder("again"))
  },
  FuzzTarget("training-log", [Seed { try trained().log }], file: "log.jsonl") { path, _ in
    _ = try? TrainingLog.reports(in: path)
    _ = try TrainingLog(path: path, keepingUpTo: 3)
  },
]

/// A file of a dictionary whose other files are as they should be; `original` nil is our own.
private func dictionary(_ name: String, _ file: String, _ original: String?) -> FuzzTarget {
  let seed =
    original.map { Seed.file("\($0)/\(file)") }
    ?? Seed {
      let folder = try Scratch()
      defer { folder.remove() }
      try SavedAutoencoder.read(formats + "/sdxl-unbox").write(into: folder.path)
      return try Seed.file(folder(file)).bytes()
    }
  return FuzzTarget(name, [seed]) { folder in
    if let original {
      try folder.copy(original)
    } else {
      try SavedAutoencoder.read(formats + "/sdxl-unbox").write(into: folder.path)
    }
    return { bytes in
      folder.write(bytes, to: file)
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

/// Its one shard.
private let shard = Seed {
  let folder = try Scratch("-seed")
  defer { folder.remove() }
  let part = ActivationShard.Part(
    vectors: Tensor((0..<96).map { Float($0) / 8 }, [4, 2, 2, 6]), places: (0..<16).map { $0 % 6 })
  try ActivationShard.write(
    0, of: manifest, ["down.2.1": part], prompts: ["a", "b", "c", "d"], in: folder.path)
  return try Seed.file(folder("shard-00000.safetensors")).bytes()
}

/// Reads all that a store has.
private func read(_ store: ActivationStore) throws {
  if let problem = store.damaged.first { throw problem }
  for problem in store.verify() { _ = problem.description }
  _ = try store.prompts()
  let activations = try store.activations(of: "down.2.1")
  for picture in 0..<activations.pictures {
    _ = try activations.rows(ofPicture: picture)
    _ = try activations.places(ofPicture: picture)
  }
}

private let torchFiles = paths(formats, ".pth", ".pt") + paths(variants, ".pth")

/// The pickles in torch files.
private let pickles = torchFiles.map { path in
  Seed {
    let bytes = try Seed.file(path).bytes()
    return try bytes.withUnsafeBytes { bytes in
      guard bytes.starts(with: "PK".utf8) else { return [] }
      let archive = try Archive(zip: bytes, path: path)
      while let member = try archive.next() {
        if member.name.hasSuffix("data.pkl") { return try archive.read(member) }
      }
      return []
    }
  }
}

private let codes = Codes(rows: 4, slots: 1, indices: [0, 1, 1, 0], values: [1, 2, 0.5, 0])
private let counts = {
  var counts = FeatureCounts(features: 3)
  counts.add(codes)
  return counts
}()
private let examples = {
  var collector = FeatureExampleCollector(features: 3, mapShape: [1, 2, 2], keepsMaps: true)
  collector.add(codes, picture: 7)
  return collector.result
}()

/// What a short training leaves.
private func trained() throws -> (checkpoint: TrainingCheckpoint, log: [UInt8]) {
  var settings = TrainingSettings()
  (settings.features, settings.k, settings.batch, settings.steps) = (4, 2, 4, 4)
  let trainer = try Trainer(source: Rows(), settings: [settings])
  let folder = try Scratch()
  defer { folder.remove() }
  let log = try TrainingLog(path: folder("log"), keepingUpTo: 0)
  for _ in 0..<2 { try log.append(trainer.step()) }
  return (trainer.checkpoint(), try Seed.file(folder("log")).bytes())
}

/// Eight vectors.
private final class Rows: RowSource {
  let (width, count) = (3, 8)
  func rows(_ range: Range<Int>, epoch: Int) -> Tensor {
    Tensor(range.flatMap { [Float($0), Float($0 % 3), 1] }, [range.count, 3])
  }
}
