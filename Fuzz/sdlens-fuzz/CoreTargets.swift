@testable import SDLensCore

/// JSON, safetensors and PNG.
let coreTargets = [
  FuzzTarget("json", (paths(tiny, ".json") + paths(formats, ".json")).map(Seed.file)) { bytes in
    guard let text = text(bytes) else { return }
    do { _ = try JSONValue(parsing: text).description } catch let mistake as JSONParser.Mistake {
      _ = mistake.description
    }
  },
  FuzzTarget(
    "safetensors", paths(variants + "/saelens", ".safetensors").map(Seed.file), file: "x.safetensors"
  ) { path, _ in
    let file = try Safetensors(contentsOf: path)
    _ = file.checksum()
    for name in file.names {
      switch file.entry(name)!.type {
      case .f32, .f16, .bf16, .f64, .f8e4m3, .f8e5m2:
        let stored = try file.stored(name)
        _ = try file.tensor(name)
        var few = [Float](repeating: 0, count: min(3, stored.shape.count))
        if !few.isEmpty { stored.copy(0..<few.count, to: &few) }
      case .i64, .i32: _ = try file.integers(name)
      case .u8: _ = try file.bytes(name)
      default: break
      }
    }
    _ = try file.tensor("encoder")
  },
  FuzzTarget(
    "weight-index",
    [#"{"metadata": {"total_size": 8}, "weight_map": {"a.b": "model-1.safetensors", "c": "../x"}}"#],
    prepare: { folder in
      { bytes in
        folder.write(bytes, to: "model.safetensors.index.json")
        _ = try WeightFile(folder: folder.path, name: "model")
      }
    }),
  FuzzTarget("png", pictures, file: "x.png") { path, _ in
    do { _ = try PNG.read(path) } catch is PNGError {}
    _ = try PNG.text(of: path)
  },
]

/// A picture that somebody made, and some of ours.
let pictures: [Seed] =
  [.file(studyGoldens + "/shapes-masks.png")]
  + [1, 3, 4].map { channels in
    Seed {
      try PNG.encode(
        Picture(width: 8, height: 8, channels: channels, samples: (0..<64 * channels).map { UInt8($0) }),
        text: [PNGText("prompt", "a cat"), PNGText("Title", "ein Bär")])
    }
  }
