import SDLensCore
@testable import SDLensDiffusion

/// Tokenizers and the configurations of a model.
let diffusionTargets = [
  tokenizer("tokenizer-vocabulary", "vocab.json"),
  tokenizer("tokenizer-merges", "merges.txt"),
  tokenizer("tokenizer-config", "tokenizer_config.json"),
  tokenizer("tokenizer-special", "special_tokens_map.json"),
  FuzzTarget(
    "tokenizer-text", [],
    prepare: { _ in
      let tokenizer = try Tokenizer(folder: tiny + "/tokenizer")
      return { bytes in
        let tokens = tokenizer(String(decoding: bytes, as: UTF8.self))
        precondition(tokens.ids.count == tokenizer.length)
      }
    }),
  FuzzTarget("unet-config", [tiny + "/unet/config.json"], file: "config.json") { path, _ in
    _ = try UNetConfig(ConfigFile(path))
  },
  FuzzTarget("vae-config", [tiny + "/vae/config.json"], file: "config.json") { path, _ in
    _ = try DecoderConfig(ConfigFile(path)).factor
  },
  FuzzTarget(
    "scheduler-config", [tiny + "/scheduler/scheduler_config.json"], file: "scheduler_config.json"
  ) { path, _ in
    for steps in [1, 4, 50] { _ = try Scheduler(ConfigFile(path), steps: steps) }
  },
  FuzzTarget(
    "text-encoder-config", [tiny + "/text_encoder/config.json", tiny + "/text_encoder_2/config.json"],
    file: "config.json"
  ) { path, _ in
    _ = try TextEncoderConfig(ConfigFile(path))
  },
  FuzzTarget("block-name", []) { bytes in _ = try BlockName(String(decoding: bytes, as: UTF8.self)) },
]

/// A file of a tokenizer whose other files are as they should be.
private func tokenizer(_ name: String, _ file: String) -> FuzzTarget {
  FuzzTarget(
    name, ["\(tiny)/tokenizer/\(file)", "\(tiny)/tokenizer_2/\(file)"], file: file, in: tiny + "/tokenizer"
  ) {
    folder in
    let tokens = try Tokenizer(folder: folder)("a red house <|endoftext|> éà 猫")
    _ = tokens.removed
  }
}
