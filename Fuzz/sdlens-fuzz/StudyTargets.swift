import SDLensCore
import SDLensDiffusion
@testable import SDLensEncoders
@testable import SDLensShapes
import SDLensSparse
@testable import SDLensStudy

/// Prompt lists, edits, masks, and the models that measure.
let studyTargets = [
  FuzzTarget("prompts-text", ["a red house\nein B\u{e4}r\r\na cat\n"], file: "x.txt") { path, _ in
    _ = try PromptList(contentsOf: path)
  },
  FuzzTarget("prompts-csv", ["id,caption\n1,\"a \"\"red\"\" house, tall\"\n2,a cat\r\n"], file: "x.csv") {
    path, _ in _ = try PromptList(contentsOf: path)
  },
  FuzzTarget("prompts-jsonl", ["\"a cat\"\n{\"caption\": \"a dog\", \"id\": 3}\n"], file: "x.jsonl") {
    path, _ in _ = try PromptList(contentsOf: path)
  },
  FuzzTarget("prompts-parquet", tables.map(Seed.file), file: "x.parquet") { path, _ in
    _ = try PromptList(contentsOf: path)
  },
  FuzzTarget("prompts-compressed", compressed.map(Seed.file), file: "x.csv.gz") { path, _ in
    _ = try PromptList(contentsOf: path)
  },
  FuzzTarget(
    "edits",
    [
      #"""
      {"format": "sdlens-edits", "version": 1, "edits": [
      {"block": "down.2.1", "operation": "modulate", "feature": 4539, "beta": -6},
      {"block": "up.0.1", "operation": "add", "feature": 7, "strength": 2, "mask": "left", "steps": [0, 2]},
      {"block": "down.2.1", "operation": "empty-context", "feature": 3, "gamma": 1.5},
      {"block": "mid.0", "operation": "add", "feature": 1, "strength": 1, "mask": [[0, 0.5], [1, 0]]},
      {"block": "mid.0", "operation": "reconstruct"}, {"block": "up.0.0", "operation": "ablate"},
      {"block": "mid.0", "operation": "transplant", "prompt": "a cat", "features": [3, 7]},
      {"block": "mid.0", "operation": "move", "features": [3], "right": 2, "down": -1}]}
      """#
    ], file: "edit.json"
  ) { path, folder in
    try EditList(contentsOf: path).write(to: folder("again.json"))
    _ = try EditList(contentsOf: folder("again.json"))
  },
  FuzzTarget(
    "update-map", paths(coreGoldens + "/numpy", ".npy").map(Seed.file) + [oneTensor], file: "map"
  ) { path, folder in
    _ = try UpdateMap(contentsOf: path).values.elements
  },
  // The texts of a picture, each with the length and checksum that it needs.
  FuzzTarget(
    "picture-edits", [#"{"format": "sdlens-edits", "version": 1, "edits": []}"#],
    prepare: { folder in
      let picture = Picture(width: 1, height: 1, channels: 1, samples: [0])
      return { bytes in
        guard let text = text(bytes) else { return }
        let file = try PNG.encode(picture, text: [PNGText("edits", text)])
        file.withUnsafeBytes { folder.write($0, to: "x.png") }
        _ = try EditList(contentsOf: folder("x.png"))
      }
    }),
  FuzzTarget(
    "labels",
    [
      #"[{"id": 0, "label": "office supplies", "category": "object", "confidence": "high"}, {"id": "7", "label": ""}]"#,
      #"""
      {"block": "mid.0", "feature": 3, "sheet": "mid.0-3.png", "caption": "red"}
      {"feature": 4, "caption": "blue", "source": "clip", "scores": {"detection": 0.9, "truth": 1}}
      """#,
    ], file: "labels.jsonl"
  ) { path, _ in
    let block = BlockName.studied[1]
    let captions = try? FeatureCaptions(contentsOf: path, features: 8)
    if let captions { try FeatureCaptions.put(captions.all, into: path, features: 8) }
    _ = try ImportedLabels(contentsOf: path, source: "them", features: [block: 8]).count(of: block)
  },
  FuzzTarget(
    "chat-answer",
    [
      #"{"model": "m", "choices": [{"message": {"content": "<thinking>a</thinking><answer>red</answer>"}}]}"#,
      #"{"choices": [{"message": {"content": null}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}"#,
    ],
    prepare: { _ in
      { bytes in
        guard let text = text(bytes), let answer = ChatAnswer(text, cleaned: { $0 }) else { return }
        _ = AnnotationPrompt.caption(in: answer.text)
        _ = ShapesCaption.values(in: answer.text)
      }
    }),
  FuzzTarget("results", [#"{"key": "mid.0 3", "value": [0.5, null]}"#], file: "done.jsonl") { path, _ in
    let results = try ResultCache<[Double?]>(path)
    _ = try results.value("mid.0 3") { [1] }
    _ = try results.value("another") { [nil] }
  },
  FuzzTarget(
    "embeddings", [embeddings],
    prepare: { folder in
      { bytes in
        folder.write(bytes, to: "\(Fingerprint()).embeddings")
        try embed(in: folder)
      }
    }),
  FuzzTarget("probe-labels", ["red,blue\r\n green, red\n", "1.5\n2\n"], file: "labels.csv") { path, _ in
    _ = try ProbeLabels(contentsOf: path, pictures: 2, places: 2).numbers
  },
  FuzzTarget("mask", pictures, file: "mask.png") { path, _ in
    _ = try Mask(contentsOf: path, picture: (8, 8), map: (2, 2))
  },
  FuzzTarget("region", ["left", "0.25,0,0.75,0.5"]) { bytes in
    let region = try Region(String(decoding: bytes, as: UTF8.self))
    precondition(Mask.region(region).values(height: 5, width: 3)!.allSatisfy { (0...1).contains($0) })
  },
  FuzzTarget("shapes-grammar", ["a small red circle above a large blue square"]) { bytes in
    _ = ShapesGrammar.read(String(decoding: bytes, as: UTF8.self))
  },
  sentences("word-pieces", "vocab.txt"),
  sentences("word-piece-config", "tokenizer_config.json"),
  FuzzTarget(
    "word-piece-text", ["A red house, it's [MASK] café 猫"],
    prepare: { _ in
      let pieces = try WordPiece(folder: studyGoldens + "/sentences", length: 32)
      return { bytes in _ = pieces(String(decoding: bytes, as: UTF8.self)) }
    }),
  FuzzTarget.config(
    "preprocessor-config", [.file(studyGoldens + "/clip/preprocessor_config.json")]
  ) {
    _ = try PicturePreprocessing($0)
  },
  FuzzTarget.config("judge-config", [.file(studyGoldens + "/judge/config.json")]) {
    _ = try ShapesJudgeConfig($0)
  },
]

private func sentences(_ name: String, _ file: String) -> FuzzTarget {
  FuzzTarget(name, [.file("\(studyGoldens)/sentences/\(file)")], file: file, in: studyGoldens + "/sentences")
  {
    folder in
    _ = try WordPiece(folder: folder, length: 32)("a red house [MASK] éà 猫")
  }
}

/// Fills a file of embeddings, or what of it can be read.
private func embed(in folder: Scratch) throws {
  let cache = try EmbeddingCache(folder: folder.path, model: Fingerprint(), width: 2) { _ in }
  let keys = ["a", "b"].map { EmbeddingCache.Key("text", $0.utf8) }
  let rows = try cache.rows(keys) { Tensor(repeating: 1, [$0.count, 2]) }
  precondition(rows.shape == [2, 2])
}

private let embeddings = Seed {
  let folder = try Scratch("-seed")
  defer { folder.remove() }
  try embed(in: folder)
  return try Seed.file(folder("\(Fingerprint()).embeddings")).bytes()
}

private let oneTensor = Seed.written {
  try Safetensors.write([.init("map", Tensor(repeating: 1, [2, 3]))], to: $0)
}

private let tables = [
  "snappy-1.0", "snappy-2.0", "zstd-1.0", "none-2.0", "prefixes", "lengths", "groups", "required",
  "one-value", "polars",
].map { "Tests/SDLensStudyTests/Goldens/tables/\($0).parquet" }

private let compressed = ["a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.jsonl.zst"].map {
  "Tests/SDLensStudyTests/Goldens/tables/\($0)"
}
