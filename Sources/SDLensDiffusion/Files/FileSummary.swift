import Foundation
import SDLensCore

/// What a single file is, told by the names of its tensors: what it is for, what it lacks, and where to get that.
public struct FileSummary: Sendable {
  /// Names and values, in the order in which they are shown.
  public let facts: [(name: String, value: String)]

  /// Looks at a file.
  ///
  /// - Parameters:
  ///   - base: whether a base gives what a U-net alone lacks.
  ///   - model: the model that a LoRA or an autoencoder would be used with.
  /// - Returns: nil for a whole model, of which `ModelSummary` tells more.
  /// - Throws: `FileError`, `SafetensorsError`, and `MalformedFile` for what can be used in no way.
  public init?(_ path: String, hasBase base: Bool, with model: @autoclosure () throws -> ModelFolder) throws {
    let file = try Safetensors(contentsOf: path)
    if LoRAFile.isLoRA(file) {
      facts = try Self.facts(of: LoRAFile(try LoRA(path: path)), file, path, model)
    } else if AutoencoderSource.beginning(in: file) != nil,
      !file.names.contains(where: Self.isOfUNet)
    {
      facts = try Self.facts(ofAutoencoder: file, path, model)
    } else {
      do {
        let single = try SingleFile(path)
        let missing = ModelFamily.sdxl.weighted.filter { single.parts[$0] == nil }
        if base || missing.isEmpty { return nil }
        facts = try Self.facts(of: single, missing: missing, file, path)
      } catch is NoModelFile {
        facts = try Self.facts(ofTensors: file, path)
      }
    }
  }

  private static func isOfUNet(_ name: String) -> Bool {
    ["model.diffusion_model.", "diffusion_model.", "unet."].contains { name.hasPrefix($0) }
  }

  private static func facts(
    of lora: LoRAFile, _ file: Safetensors, _ path: String, _ model: () throws -> ModelFolder
  ) throws -> [(String, String)] {
    let parts = lora.layersByPart.map { "\($0.count) of the \($0.part)" }.joined(separator: ", ")
    let ranks = lora.ranks
    return try [
      ("File", path), ("Kind", "a LoRA, under the names of \(lora.naming)"), ("Layers", parts),
      (
        "Rank",
        ranks.lowerBound == ranks.upperBound
          ? "\(ranks.lowerBound)" : "\(ranks.lowerBound) to \(ranks.upperBound)"
      ),
    ] + content(of: file, path)
      + [
        ("Use", "--lora \(path)[:strength]"),
        (
          "Fits",
          fit(try model()) {
            _ = try lora.updates($0.shapes(of: $0.family.weighted.filter { $0 != "vae" }))
          }
        ),
      ]
  }

  private static func facts(
    ofAutoencoder file: Safetensors, _ path: String, _ model: () throws -> ModelFolder
  ) throws -> [(String, String)] {
    let beginning = AutoencoderSource.beginning(in: file) ?? ""
    let isOriginal = file.names.contains { $0.hasPrefix("\(beginning)decoder.mid.") }
    let canEncode = file.entry("\(beginning)encoder.conv_in.weight") != nil
    return try [
      ("File", path),
      (
        "Kind", "an autoencoder (VAE), under the names of \(isOriginal ? "the original layout" : "diffusers")"
      ),
    ] + content(of: file, path)
      + [
        ("Settings", "it has none; used are those of the model's own autoencoder"),
        (
          "Encoder",
          canEncode
            ? "yes, so that runs can begin with a picture" : "none, so that no run can begin with a picture"
        ),
        ("Use", "--vae \(path)"),
        (
          "Fits",
          fit(try model()) { model in
            let other = try ModelFolder(model, vae: path)
            let weights = try other.weights("vae")
            _ = try Decoder(weights.root, config: DecoderConfig(other.config("vae")))
          }
        ),
      ]
  }

  private static func facts(
    of single: SingleFile, missing: [String], _ file: Safetensors, _ path: String
  ) throws -> [(String, String)] {
    let needed = missing.joined(separator: ", ")
    return try [
      ("File", path),
      (
        "Kind",
        "a part of a model of the kind of \(single.kind.rawValue): \(single.parts.keys.sorted().joined(separator: ", "))"
      ),
    ] + content(of: file, path)
      + [
        ("Missing", needed),
        ("Use", "--model \(path) --base FOLDER or ID, a model of the same kind that has the rest"),
        ("Get one", single.kind.download),
      ]
  }

  /// Of a run, codes, a map or anything else: its texts and its tensors.
  private static func facts(ofTensors file: Safetensors, _ path: String) throws -> [(String, String)] {
    let most = 40
    let tensors = file.names.prefix(most).compactMap { name in
      file.entry(name).map { (name, "\($0.shape) \($0.type.rawValue)") }
    }
    return try [("File", path), ("Kind", "tensors: no model, LoRA, autoencoder or dictionary")]
      + content(of: file, path) + file.metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      + tensors
      + (file.names.count > most ? [("…", "\(file.names.count - most) more")] : [])
  }

  private static func content(of file: Safetensors, _ path: String) throws -> [(String, String)] {
    let entries = file.names.compactMap { file.entry($0) }
    let types = Set(entries.map(\.type.rawValue)).sorted().joined(separator: ", ")
    var fingerprint = Fingerprint()
    try fingerprint.add(path, as: "")
    return [
      ("Tensors", "\(entries.count)"),
      (
        "Numbers",
        "\(Units.grouped(entries.reduce(0) { $0 + $1.shape.count })) as \(types), \(Units.bytes(try MappedFile(path: path).count))"
      ),
      ("Fingerprint", fingerprint.description),
    ]
  }

  /// Whether a part goes with a model, and if not, why.
  private static func fit(_ model: ModelFolder, _ use: (ModelFolder) throws -> Void) -> String {
    do {
      try use(model)
      return "the model '\(model.title)'"
    } catch {
      return "not the model '\(model.title)': \(error)"
    }
  }
}

extension SingleFile.Kind {
  /// What downloads a whole model of the kind.
  fileprivate var download: String {
    let name =
      switch self {
      case .sdxl: "stabilityai/sdxl-turbo"
      case .ssd1B: "segmind/SSD-1B"
      case .vega: "segmind/Segmind-Vega"
      }
    return HubName(name).map(HubDownload.pipeline.command) ?? name
  }
}
