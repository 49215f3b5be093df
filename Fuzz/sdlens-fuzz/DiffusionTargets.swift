import SDLensCore
@testable import SDLensDiffusion

/// Tokenizers and the configurations of a model.
let diffusionTargets = [
  tokenizer("tokenizer-vocabulary", "vocab.json"),
  tokenizer("tokenizer-merges", "merges.txt"),
  tokenizer("tokenizer-config", "tokenizer_config.json"),
  tokenizer("tokenizer-special", "special_tokens_map.json"),
  FuzzTarget(
    "tokenizer-text", ["A red house,  it's <|endoftext|>", "\u{1F469}\u{200D}\u{1F680} café 猫 &amp;lt; 12"],
    prepare: { _ in
      let tokenizer = try Tokenizer(folder: tiny + "/tokenizer")
      return { bytes in
        let tokens = tokenizer(String(decoding: bytes, as: UTF8.self))
        precondition(tokens.ids.count == tokenizer.length)
      }
    }),
  FuzzTarget("unet-config", [.file(tiny + "/unet/config.json")], file: "config.json") { path, _ in
    _ = try UNetConfig(ConfigFile(path))
  },
  FuzzTarget("vae-config", [.file(tiny + "/vae/config.json")], file: "config.json") { path, _ in
    _ = try DecoderConfig(ConfigFile(path)).factor
  },
  FuzzTarget(
    "scheduler-config", [.file(tiny + "/scheduler/scheduler_config.json")], file: "scheduler_config.json"
  ) { path, _ in
    for steps in [1, 4, 50] { _ = try Scheduler(ConfigFile(path), steps: steps) }
  },
  FuzzTarget(
    "text-encoder-config",
    [.file(tiny + "/text_encoder/config.json"), .file(tiny + "/text_encoder_2/config.json")],
    file: "config.json"
  ) { path, _ in
    _ = try TextEncoderConfig(ConfigFile(path))
  },
  FuzzTarget("block-name", ["down.2.1", "mid.0", "up_blocks.0.attentions.2"]) { bytes in
    _ = try BlockName(String(decoding: bytes, as: UTF8.self))
  },
]

/// A file of a tokenizer whose other files are as they should be.
private func tokenizer(_ name: String, _ file: String) -> FuzzTarget {
  FuzzTarget(
    name, [.file("\(tiny)/tokenizer/\(file)"), .file("\(tiny)/tokenizer_2/\(file)")], file: file,
    in: tiny + "/tokenizer"
  ) {
    folder in
    let tokens = try Tokenizer(folder: folder)("a red house <|endoftext|> éà 猫")
    _ = tokens.removed
  }
}
