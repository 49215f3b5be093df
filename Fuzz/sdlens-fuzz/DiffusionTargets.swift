import SDLensCore
@testable import SDLensDiffusion

/// Tokenizers and the configurations of a model.
let diffusionTargets = [
  FuzzTarget(
    "tokenizer-vocabulary", [.file(tiny + "/tokenizer/vocab.json")], file: "vocab.json",
    in: tiny + "/tokenizer"
  ) { folder in
    _ = try Vocabulary(TokenizerFiles(folder: folder)).text([0, 9], added: [:])
  },
  FuzzTarget(
    "tokenizer-merges", [.file(tiny + "/tokenizer/merges.txt"), "#version: 0.2\nt h\r\nth e</w>\n"],
    prepare: { folder in
      try folder.copy(tiny + "/tokenizer")
      let files = try TokenizerFiles(folder: folder.path)
      let vocabulary = try Vocabulary(files)
      return { bytes in
        folder.write(bytes, to: "merges.txt")
        _ = try BytePairs(files, vocabulary).merged(Array(0..<64) + Array(0..<64))
      }
    }),
  FuzzTarget("tokenizer-json", [wholeTokenizer], file: "tokenizer.json") { path, folder in
    Array("{}".utf8).withUnsafeBytes { folder.write($0, to: "tokenizer_config.json") }
    _ = try Tokenizer(folder: folder.path)("the red house <x> éà 猫").removed
  },
  settings(
    "tokenizer-config", "tokenizer_config.json",
    ["tokenizer", "tokenizer_2"].map { .file("\(tiny)/\($0)/tokenizer_config.json") }),
  settings(
    "tokenizer-special", "special_tokens_map.json",
    ["tokenizer", "tokenizer_2"].map { .file("\(tiny)/\($0)/special_tokens_map.json") } + [
      #"{"additional_special_tokens": ["<x>", {"content": "<y>", "lstrip": true}], "unk_token": "<|endoftext|>"}"#
    ]),
  settings("tokenizer-added", "added_tokens.json", [#"{"<x>": 1000, "<y>": 1001}"#]),
  FuzzTarget(
    "tokenizer-text", ["A red house,  it's <|endoftext|>", "\u{1F469}\u{200D}\u{1F680} café 猫 &amp;lt; 12"],
    prepare: { _ in
      let tokenizer = try Tokenizer(folder: tiny + "/tokenizer")
      return { bytes in
        let tokens = tokenizer(String(decoding: bytes, as: UTF8.self))
        precondition(tokens.ids.count == tokenizer.length)
      }
    }),
  FuzzTarget.config("unet-config", [.file(tiny + "/unet/config.json")]) {
    _ = try UNetConfig($0)
  },
  FuzzTarget.config("vae-config", [.file(tiny + "/vae/config.json")]) {
    _ = try DecoderConfig($0).factor
  },
  FuzzTarget.config(
    "scheduler-config", [.file(tiny + "/scheduler/scheduler_config.json")]
  ) {
    for steps in [1, 4, 50] { _ = try $0.sampler(steps: steps) }
  },
  FuzzTarget.config(
    "text-encoder-config",
    [.file(tiny + "/text_encoder/config.json"), .file(tiny + "/text_encoder_2/config.json")]
  ) {
    _ = try TextEncoderConfig($0)
  },
  FuzzTarget(
    "tensor-names",
    paths(diffusionGoldens + "/lora", ".safetensors").map(names) + [
      """
      model.diffusion_model.input_blocks.0.0.weight 4 4 3 3
      first_stage_model.decoder.conv_in.weight 4 4 3 3
      conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight 12 4
      v_pred 1
      """,
      "conv_in.weight 4 9 3 3\nadd_embedding.linear_1.weight 2 2\ndecoder.conv_in.weight 1\nclip_g 1",
    ],
    prepare: { folder in
      let model = try ModelFolder(tiny)
      return { bytes in
        guard let text = text(bytes), let file = weights(text) else { return }
        file.withUnsafeBytes { folder.write($0, to: "x.safetensors") }
        _ = try FileSummary(folder("x.safetensors"), hasBase: false, with: model)?.facts
      }
    }),
  FuzzTarget("block-name", ["down.2.1", "mid.0", "up_blocks.0.attentions.2"]) { bytes in
    _ = try BlockName(String(decoding: bytes, as: UTF8.self))
  },
]

/// A file of a tokenizer whose vocabulary and merges are as they should be, and read once; `special_tokens_map.json` and
/// `added_tokens.json` count where the configuration does not list the tokens.
private func settings(_ name: String, _ file: String, _ seeds: [Seed]) -> FuzzTarget {
  FuzzTarget(name, seeds) { folder in
    try folder.copy(tiny + "/tokenizer", ["vocab.json", "merges.txt"])
    Array("{}".utf8).withUnsafeBytes { folder.write($0, to: "tokenizer_config.json") }
    let files = try TokenizerFiles(folder: folder.path)
    let vocabulary = try Vocabulary(files)
    let pairs = try BytePairs(files, vocabulary)
    return { bytes in
      folder.write(bytes, to: file)
      let tokenizer = try Tokenizer(TokenizerFiles(folder: folder.path), vocabulary, pairs)
      precondition(tokenizer("a red house <|endoftext|> éà 猫 <x>").ids.count == tokenizer.length)
    }
  }
}

/// `tokenizer.json` with the tokens of all bytes, two merges and an added token.
private let wholeTokenizer = Seed {
  let letters = ByteAlphabet.letters.map { String($0) }
  let tokens = letters + letters.map { $0 + "</w>" } + ["th", "the</w>"]
  let vocabulary = tokens.enumerated().map { "\(JSONValue.string($1)): \($0)" }.joined(separator: ", ")
  return Array(
    """
    {"added_tokens": [{"id": 514, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
    "normalized": false, "special": true}], "model": {"type": "BPE", "vocab": {\(vocabulary)},
    "merges": [["t", "h"], "th e</w>"]}}
    """.utf8)
}

/// The names of a file's tensors, each with its extents.
private func names(_ path: String) -> Seed {
  Seed {
    let file = try Safetensors(contentsOf: path)
    let lines = file.names.prefix(40).map { name in
      ([name] + file.entry(name)!.shape.extents.map(String.init)).joined(separator: " ")
    }
    return Array(lines.joined(separator: "\n").utf8)
  }
}

/// A safetensors file of zeros with such names; nil where it would be large.
private func weights(_ text: String) -> [UInt8]? {
  var (entries, bytes): ([String], Int) = ([], 0)
  for line in text.split(separator: "\n") {
    let words = line.split(separator: " ")
    let extents = words.dropFirst().compactMap { Int($0) }.filter { 0..<64 ~= $0 }
    guard !words.isEmpty, extents.count < 5 else { continue }
    let end = bytes + 2 * extents.reduce(1, *)
    guard end < 1 << 16 else { return nil }
    entries.append(
      #"\(JSONValue.string(String(name))): {"dtype": "F16", "shape": \(extents), "data_offsets": [\(bytes), \(end)]}"#
    )
    bytes = end
  }
  let header = Array("{\(entries.joined(separator: ", "))}".utf8)
  let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
  return length + header + [UInt8](repeating: 0, count: bytes)
}
