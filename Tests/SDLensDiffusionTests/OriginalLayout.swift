import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport

/// The tiny model as a single file: the names come from Scripts/goldens/single_file.py, where diffusers reads them.
struct OriginalLayout {
  /// A weight of the tiny model: its name in a single file, where it is in the folder, and what of it.
  private struct Row: Decodable {
    let theirs, part, ours, form: String

    init(from decoder: any Swift.Decoder) throws {
      var row = try decoder.unkeyedContainer()
      (theirs, part) = (try row.decode(String.self), try row.decode(String.self))
      (ours, form) = (try row.decode(String.self), try row.decode(String.self))
    }
  }

  /// A weight of a smaller U-net: its names in both layouts.
  struct Weight: Decodable {
    let theirs, ours: String
    let shape: [Int]

    init(from decoder: any Swift.Decoder) throws {
      var row = try decoder.unkeyedContainer()
      (theirs, ours) = (try row.decode(String.self), try row.decode(String.self))
      shape = try row.decode([Int].self)
    }
  }

  private struct Smaller: Decodable { let weights: [Weight] }
  private struct File: Decodable {
    let tiny: [Row]
    let smaller: [String: Smaller]
  }

  private static let file = Result { try Goldens().json("single-file.json", as: File.self) }

  /// The weights of a U-net shaped like that of SSD-1B (`ssd-1b`) or Segmind Vega (`vega`).
  static func weights(of model: String) throws -> [Weight] { try file.get().smaller[model]?.weights ?? [] }

  /// Its `config.json`, in a folder.
  static func writeConfig(of model: String, to folder: TemporaryFolder, as name: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Goldens()("single-file.json")))
    let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    let smaller = (object?["smaller"] as? [String: [String: Any]])?[model]
    try folder.write(JSONSerialization.data(withJSONObject: smaller?["config"] ?? [:]), to: name)
  }

  /// The names of the weights of a part in a single file, and in the folder.
  static func names(of part: String) throws -> [(theirs: String, ours: String)] {
    try file.get().tiny.filter { $0.part == part }.map { ($0.theirs, $0.ours) }
  }

  /// The tensors of the tiny model as a single file holds them; half precision where `half`.
  static func tiny(half: Bool = false, _ parts: Set<String>? = nil) throws -> [Safetensors.Item] {
    let names = ["unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"]
    var files: [String: Safetensors] = [:]
    for part in ["unet", "vae", "text_encoder", "text_encoder_2"] {
      files[part] = try Safetensors(
        contentsOf: "\(TinyModel.path)/\(part)/\(names[part] ?? "model").safetensors")
    }
    var (tensors, thirds): ([String: Tensor], [String: [Int: Tensor]]) = ([:], [:])
    for row in try file.get().tiny where parts?.contains(row.part) ?? true {
      guard row.ours.hasSuffix(".position_ids") == false else { continue }
      var tensor = try files[row.part]?.tensor(row.ours) ?? Tensor([], [0])
      if let third = Int(row.form) {
        thirds[row.theirs, default: [:]][third] = tensor
        continue
      }
      if row.form == "transposed" {
        tensor = tensor.reshaped([1, tensor.shape[0], 1, tensor.shape[1]]).channelsFirst()
        tensor = tensor.reshaped([tensor.shape[1], tensor.shape[2]])
      } else if row.theirs.contains(".mid.attn_1."), tensor.shape.rank == 2 {
        tensor = tensor.reshaped([tensor.shape[0], tensor.shape[1], 1, 1])
      }
      tensors[row.theirs] = tensor
    }
    for (name, three) in thirds { tensors[name] = .stacked((0..<3).compactMap { three[$0] }) }
    return try tensors.sorted { $0.key < $1.key }.map { name, tensor in
      try half ? Safetensors.Item(half: tensor, name) : Safetensors.Item(name, tensor)
    }
  }

  /// A weight of a smaller U-net, as `weight` of the script makes it from its name.
  static func tensor(_ weight: Weight) throws -> Tensor {
    let name = Array(weight.ours.utf8)
    let seed = try Safetensors.checksum(of: [Safetensors.Item("name", name, [name.count])])
    var generator = MersenneTwister(seed: seed)
    let numbers = Tensor(generator.normal(weight.shape.reduce(1, *)), Shape(weight.shape))
    guard weight.shape.count > 1 else {
      return numbers.scaled(by: 0.1, plus: weight.ours.hasSuffix("weight") ? 1 : 0)
    }
    return numbers.scaled(by: 1 / Float(weight.shape.dropFirst().reduce(1, *)).squareRoot())
  }
}
