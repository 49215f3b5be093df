import SDLensCore
import SDLensDiffusion
@testable import SDLensStudy

/// Prompt lists, edits, masks, and the models that measure.
let studyTargets = [
  FuzzTarget("prompts-text", [], file: "x.txt") { path, _ in _ = try PromptList(contentsOf: path) },
  FuzzTarget("prompts-csv", [], file: "x.csv") { path, _ in _ = try PromptList(contentsOf: path) },
  FuzzTarget("prompts-jsonl", [], file: "x.jsonl") { path, _ in _ = try PromptList(contentsOf: path) },
  FuzzTarget("edits", [], file: "edit.json") { path, folder in
    try EditList(contentsOf: path).write(to: folder("again.json"))
    _ = try EditList(contentsOf: folder("again.json"))
  },
  FuzzTarget("mask", [studyGoldens + "/shapes-masks.png"], file: "mask.png") { path, _ in
    _ = try Mask(contentsOf: path, picture: (8, 8), map: (2, 2))
  },
  FuzzTarget("region", []) { bytes in
    let region = try Region(String(decoding: bytes, as: UTF8.self))
    precondition(Mask.region(region).values(height: 5, width: 3)!.allSatisfy { (0...1).contains($0) })
  },
  FuzzTarget("shapes-grammar", []) { bytes in
    _ = ShapesGrammar.read(String(decoding: bytes, as: UTF8.self))
  },
  sentences("word-pieces", "vocab.txt"),
  sentences("word-piece-config", "tokenizer_config.json"),
  FuzzTarget(
    "word-piece-text", [],
    prepare: { _ in
      let pieces = try WordPiece(folder: studyGoldens + "/sentences", length: 32)
      return { bytes in _ = pieces(String(decoding: bytes, as: UTF8.self)) }
    }),
  FuzzTarget(
    "preprocessor-config", files(studyGoldens + "/clip", "preprocessor_config.json"),
    file: "preprocessor_config.json"
  ) { path, _ in
    _ = try PicturePreprocessing(ConfigFile(path))
  },
  FuzzTarget("judge-config", files(studyGoldens + "/judge", "config.json"), file: "config.json") { path, _ in
    _ = try ShapesJudgeConfig(ConfigFile(path))
  },
]

private func sentences(_ name: String, _ file: String) -> FuzzTarget {
  FuzzTarget(name, ["\(studyGoldens)/sentences/\(file)"], file: file, in: studyGoldens + "/sentences") {
    folder in
    _ = try WordPiece(folder: folder, length: 32)("a red house [MASK] éà 猫")
  }
}
