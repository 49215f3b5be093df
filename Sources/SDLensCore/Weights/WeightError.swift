/// Weights that do not fit the model, or that are not where they should be.
public enum WeightError: UserError {
  case notFolder(path: String)
  case noFile(folder: String, wanted: [String], variants: [String], present: [String])
  case badIndex(path: String, reason: String)
  case shardOutside(path: String, file: String)
  case noShard(path: String, file: String)
  case notInShard(path: String, name: String, file: String)
  case notInIndex(path: String, name: String, file: String)
  case missing(path: String, name: String, nearest: String?, _ settings: String)
  case wrongShape(path: String, name: String, found: Shape, needed: Shape, _ settings: String)
  case notFinite(path: String, name: String, value: Float, index: [Int])
  case leftovers(path: String, names: [String], _ settings: String)

  /// The sentence for the user.
  public var description: String {
    switch self {
    case .notFolder(let path):
      "'\(path)' is a file, but a folder with weights is needed; give the path of a folder"
    case .noFile(let folder, let wanted, let variants, let present):
      Self.noFile(folder, wanted, variants, present)
    case .badIndex(let path, let reason): "'\(path)' is not an index of shards: \(reason); download it again"
    case .shardOutside(let path, let file):
      "'\(path)' names the file '\(file)', but only files in its own folder are read; correct the index"
    case .noShard(let path, let file):
      "'\(path)' names the file '\(file)', which is not there; download the shards again"
    case .notInShard(let path, let name, let file):
      "'\(path)' says that '\(name)' is in '\(file)', but it is not; download index and shards again"
    case .notInIndex(let path, let name, let file):
      "'\(file)' holds '\(name)', but '\(path)' does not say so; download index and shards again"
    case .missing(let path, let name, let nearest, let settings):
      "'\(name)' is not in '\(path)'" + (nearest.map { " (the nearest name there is '\($0)')" } ?? "")
        + "; check that \(settings) it belongs to it"
    case .wrongShape(let path, let name, let found, let needed, let settings):
      "'\(name)' has shape \(found), but the model needs \(needed); "
        + "check that \(settings) '\(path)' belongs to it"
    case .notFinite(let path, let name, let value, let index):
      "'\(name)' in '\(path)' holds \(value) at \(index), but weights must be finite; download or save it again"
    case .leftovers(let path, let names, let settings):
      "'\(path)' holds \(names.count) tensor\(names.count == 1 ? "" : "s") that the model does not have: "
        + names.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 5 ? ", …" : "")
        + "; check that \(settings) it belongs to it"
    }
  }

  private static func noFile(
    _ folder: String, _ wanted: [String], _ variants: [String], _ present: [String]
  ) -> String {
    let pickles = present.filter { name in [".bin", ".ckpt", ".pt", ".pth"].contains { name.hasSuffix($0) } }
    let others = present.filter { $0.hasSuffix(".safetensors") }
    let found =
      if let other = others.first {
        "'\(other)', which may be other weights"
      } else if let pickle = pickles.first {
        "only '\(pickle)', a pickle, which can run code when it is opened"
      } else if present.isEmpty {
        "nothing"
      } else {
        present.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (present.count > 5 ? ", …" : "")
      }
    let step =
      if !others.isEmpty {
        "to use it, rename it to '\(wanted[0])'"
      } else if pickles.isEmpty {
        "download the model again"
      } else {
        "download the safetensors files, or save the model in Python with safe_serialization=True"
      }
    return "'\(folder)' has no weights: looked for " + wanted.joined(separator: ", ")
      + " and their variants " + variants.joined(separator: ", ") + "; found \(found); \(step)"
  }
}
