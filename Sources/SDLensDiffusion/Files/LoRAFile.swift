import Foundation
import SDLensCore

/// A LoRA that was asked for: a file, and how strongly it changes the model.
public struct LoRA: Sendable, Hashable {
  /// What was asked for: a file, a folder that PEFT or diffusers saved, or a Hugging Face id.
  public let name: String
  /// The file.
  public let path: String
  /// What its changes are multiplied by.
  public let strength: Double

  /// Finds a LoRA.
  ///
  /// - Parameter name: a file, a folder with one, or a Hugging Face id in the local cache.
  /// - Throws: `LoRANotFound`.
  public init(
    path name: String, strength: Double = 1,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    (self.name, self.strength) = (name, strength)
    path = try Self.find(name, environment)
  }

  private static func find(_ name: String, _ environment: [String: String]) throws -> String {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) else {
      guard !name.hasSuffix(".safetensors"), let hub = HubName(name) else { return name }
      let cache = HubCache(environment)
      guard let snapshot = cache.snapshot(of: name) else { throw LoRANotFound.notCached(hub, cache) }
      return try file(in: snapshot, named: name)
    }
    return isFolder.boolValue ? try file(in: name, named: name) : name
  }

  /// The weights that PEFT or diffusers saved in a folder, or the only ones there.
  private static func file(in folder: String, named name: String) throws -> String {
    let present = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasSuffix(".safetensors") }.sorted()
    let saved = ["adapter_model.safetensors", "pytorch_lora_weights.safetensors"].first(
      where: present.contains)
    guard let file = saved ?? (present.count == 1 ? present[0] : nil) else {
      throw LoRANotFound.noneIn(name, present)
    }
    return "\(folder)/\(file)"
  }

  /// Reads `FILE` or `FILE:STRENGTH`.
  ///
  /// - Throws: `BadSetting` for a strength that is no number, `LoRANotFound`.
  public init(_ text: String) throws {
    guard let colon = text.lastIndex(of: ":"), !FileManager.default.fileExists(atPath: text) else {
      try self.init(path: text)
      return
    }
    let number = String(text[text.index(after: colon)...])
    guard let strength = Double(number), -100...100 ~= strength else {
      throw BadSetting(
        name: "the strength of the LoRA '\(text[..<colon])'", found: "'\(number)'",
        needed: "a number from -100 to 100, as in FILE:0.8")
    }
    try self.init(path: String(text[..<colon]), strength: strength)
  }

  /// File and strength as `--lora` takes them.
  var word: String { "\(isCached ? name : path):\(strength)" }

  /// File and strength, the same wherever the file lies.
  public var title: String { "\(isCached ? name : (path as NSString).lastPathComponent):\(strength)" }

  /// Whether it was found by its name on Hugging Face.
  private var isCached: Bool { !path.hasPrefix(name) }
}

/// No LoRA of that name.
public enum LoRANotFound: UserError {
  case notCached(HubName, HubCache)
  /// A folder, and the files of weights in it.
  case noneIn(String, [String])

  /// What was looked for and what to do.
  public var description: String {
    switch self {
    case .notCached(let name, let cache): HubDownload.lora.missing(name, in: cache)
    case .noneIn(let folder, []):
      "'\(folder)' has no .safetensors file; --lora takes one, or a folder or Hugging Face id that has one"
    case .noneIn(let folder, let files):
      "'\(folder)' has \(files.count) files of weights, of which none is named adapter_model or pytorch_lora_weights: "
        + files.prefix(5).joined(separator: ", ") + (files.count > 5 ? ", …" : "") + "; name one by its path"
    }
  }
}

/// The file of a LoRA in the names of kohya's scripts, of PEFT or of diffusers: what it adds to which layers.
///
/// `W + strength · alpha / rank · up · down`; without an alpha in the file, that is the rank. What PEFT has of it stands in
/// the file's metadata, as diffusers writes them, or in `adapter_config.json` beside the file.
struct LoRAFile {
  private let lora: LoRA
  private let file: Safetensors
  /// The factors of each layer, by the layer's name in the file.
  private var layers: [String: Layer] = [:]

  private struct Layer {
    var up: String?
    var down: String?
    var alpha: String?
  }

  private typealias Role = WritableKeyPath<Layer, String?> & Sendable

  // Longer endings before those that they end with.
  private static let endings: [(text: String, role: Role)] = [
    (".lora_linear_layer.down.weight", \.down), (".lora_linear_layer.up.weight", \.up),
    (".lora_A.weight", \.down), (".lora_B.weight", \.up),
    (".lora_down.weight", \.down), (".lora_up.weight", \.up),
    (".lora.down.weight", \.down), (".lora.up.weight", \.up),
    ("_lora.down.weight", \.down), ("_lora.up.weight", \.up), (".alpha", \.alpha),
  ]

  /// What a name ends in, without the name that PEFT gave the adapter: `.lora_A.default.weight`.
  private static func ending(of name: String) -> (count: Int, role: Role, isProcessor: Bool)? {
    var (bare, adapter) = (name, 0)
    let words = name.split(separator: ".", omittingEmptySubsequences: false)
    if words.count > 3, words.last == "weight", ["lora_A", "lora_B"].contains(words[words.count - 3]) {
      adapter = words[words.count - 2].count + 1
      bare = (words.dropLast(2) + ["weight"]).joined(separator: ".")
    }
    return endings.first { bare.hasSuffix($0.text) }.map {
      ($0.text.count + adapter, $0.role, $0.text.hasPrefix("_"))
    }
  }

  /// What other methods leave in a file, by their names.
  private static let others = [
    (".hada_", "LoHa, products of low-rank matrices element by element"),
    (".lokr_", "LoKr, Kronecker products"), (".dora_scale", "DoRA, which also changes lengths"),
    (".lora_magnitude_vector", "DoRA, which also changes lengths"), (".oft_", "OFT, rotations"),
    (".lora_mid.", "a LoRA of three factors (Tucker)"), (".lora_B.bias", "a LoRA that also changes biases"),
    (".diff.", "whole differences of weights"), (".diff_b.", "whole differences of biases"),
  ]

  /// Whether a file changes a model, by low ranks or in another way.
  static func isLoRA(_ file: Safetensors) -> Bool {
    file.names.contains { name in
      ending(of: name).map { $0.role != \.alpha } ?? false
        || others.contains { (name + ".").contains($0.0) }
    }
  }

  /// Opens a file.
  ///
  /// - Throws: `FileError`, `SafetensorsError`, and `MalformedFile` for what is no LoRA, or one of another method.
  init(_ lora: LoRA) throws {
    self.lora = lora
    file = try Safetensors(contentsOf: lora.path)
    guard Self.isLoRA(file) else {
      throw MalformedFile(
        path: lora.path,
        reason:
          "holds no LoRA: no name in it ends in lora_down.weight, lora_A.weight or lora.down.weight; a model is "
          + "given with --model")
    }
    for name in file.names {
      if let other = Self.others.first(where: { (name + ".").contains($0.0) }) {
        throw MalformedFile(
          path: lora.path,
          reason:
            "is of another kind, \(other.1) ('\(name)'); only plain LoRAs (up, down and alpha) can be merged")
      }
      guard let (count, role, isProcessor) = Self.ending(of: name) else {
        throw MalformedFile(
          path: lora.path,
          reason: "holds '\(name)', which is neither up, down nor alpha of a layer; "
            + "only plain LoRAs can be merged")
      }
      let layer = Self.layer(of: String(name.dropLast(count)), isProcessor: isProcessor)
      if let other = layers[layer]?[keyPath: role] {
        throw MalformedFile(
          path: lora.path,
          reason:
            "changes '\(layer)' twice, by '\(other)' and '\(name)'; save each adapter in a file of its own")
      }
      layers[layer, default: Layer()][keyPath: role] = name
    }
    try checkMetadata()
  }

  /// What PEFT puts before the names of the model that it was given.
  private static let peft = "base_model.model."

  /// The layer that a name belongs to, without what other programs put before it.
  private static func layer(of name: String, isProcessor: Bool) -> String {
    var name = name
    if name.hasPrefix(peft) { name.removeFirst(peft.count) }
    guard isProcessor else { return name }
    // diffusers of before 0.20: `attn1.processor.to_q_lora.down.weight`.
    name = name.replacing(".processor.", with: ".")
    return name.hasSuffix(".to_out") ? name + ".0" : name
  }

  /// What PEFT says of the adapter of each part, or of the one that there is; empty where nothing is said.
  private var metadata: [String: JSONValue] {
    get throws {
      let config = lora.path.folderOfPath + "/adapter_config.json"
      guard let text = file.metadata["lora_adapter_metadata"] else {
        let isAlone = file.names.contains { $0.hasPrefix(Self.peft) }
        guard isAlone, FileManager.default.fileExists(atPath: config) else { return [:] }
        guard case .object(let values) = try JSONValue(contentsOf: config, as: .python) else {
          throw MalformedFile(path: config, reason: "does not hold a JSON object")
        }
        return values
      }
      guard case .object(let values)? = try? JSONValue(parsing: text) else {
        throw MalformedFile(
          path: lora.path, reason: "says of itself in 'lora_adapter_metadata' what is no JSON object")
      }
      return values
    }
  }

  /// Beginnings for which PEFT leaves the weights of the model as they are; others (`pissa`, `olora`, …) take what the
  /// factors begin with out of them.
  private static let plainBeginnings: [JSONValue] = [true, false, .null, "gaussian", "eva", "orthogonal"]

  private func checkMetadata() throws {
    for (key, value) in try metadata.sorted(by: { $0.key < $1.key }) {
      let setting = key.split(separator: ".").last.map(String.init) ?? key
      let isOther =
        ["use_dora", "lora_bias"].contains(setting) && value == true
        || setting == "alpha_pattern" && Self.patterns(value) == nil
        || setting == "init_lora_weights" && !Self.plainBeginnings.contains(value)
      if isOther {
        throw MalformedFile(
          path: lora.path,
          reason: "was made with '\(key)' \(value), which is not supported; only plain LoRAs can be merged")
      }
    }
  }

  /// Alphas by the ends of names; nil where they are regular expressions of more than that.
  private static func patterns(_ value: JSONValue?) -> [(end: String, alpha: Double)]? {
    switch value {
    case nil, .null: return []
    case .object(let members):
      let patterns = members.compactMap { name, value -> (String, Double)? in
        guard name.allSatisfy({ $0.isLetter || $0.isNumber || "._-".contains($0) }) else { return nil }
        return value.number.map { (name, $0) }
      }
      return patterns.count == members.count ? patterns : nil
    default: return nil
    }
  }

  /// What the factors of a layer without an alpha of its own are multiplied by, as PEFT says; nil where nothing is said.
  private func scale(of name: String, in part: String, rank: Double, _ settings: [String: JSONValue]) throws
    -> Double?
  {
    func setting(_ key: String) -> JSONValue? { settings["\(part).\(key)"] ?? settings[key] }
    let special = (Self.patterns(setting("alpha_pattern")) ?? []).filter {
      name == $0.end || name.hasSuffix(".\($0.end)")
    }
    guard Set(special.map(\.alpha)).count < 2 else {
      throw MalformedFile(
        path: lora.path,
        reason: "was made with several alphas for '\(name)' (alpha_pattern), of which the order would decide")
    }
    guard let alpha = special.first?.alpha ?? setting("lora_alpha")?.number else { return nil }
    return alpha / (setting("use_rslora") == true ? rank.squareRoot() : rank)
  }

  /// Whose names it has.
  var naming: String {
    if layers.keys.contains(where: { $0.hasPrefix("lora_") }) { return "kohya's scripts" }
    return file.names.contains { $0.contains(".lora_A.") } ? "PEFT" : "diffusers"
  }

  /// How many layers it changes of which part.
  var layersByPart: [(part: String, count: Int)] {
    let parts = Dictionary(grouping: layers.keys) { name in
      ["lora_te_", "lora_te1_", "text_encoder."].contains { name.hasPrefix($0) }
        ? "text encoder"
        : ["lora_te2_", "text_encoder_2."].contains { name.hasPrefix($0) } ? "second text encoder" : "U-net"
    }
    return parts.map { ($0, $1.count) }.sorted { $0.0 < $1.0 }
  }

  /// The ranks of its layers.
  var ranks: ClosedRange<Int> {
    let ranks = layers.values.compactMap { $0.down.flatMap { file.entry($0)?.shape.extents.first } }
    return (ranks.min() ?? 0)...(ranks.max() ?? 0)
  }

  /// What is added to the weights of each part.
  ///
  /// - Parameter weights: the names and shapes of the weights of each part.
  /// - Throws: `MalformedFile` naming what fits no weight, and factors that do not fit together.
  func updates(_ weights: [String: [String: Shape]]) throws -> [String: [String: LowRankUpdate]] {
    let targets = Self.targets(weights)
    let lost = layers.keys.filter { targets[$0] == nil }.sorted()
    guard lost.isEmpty else {
      let list = lost.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (lost.count > 5 ? ", …" : "")
      throw MalformedFile(
        path: lora.path,
        reason: "changes \(layers.count) layers, of which the model has no \(list)"
          + (lost.count > 5 ? " (\(lost.count) in all)" : "") + "; take a LoRA that was made for this model")
    }
    let settings = try metadata
    var updates: [String: [String: LowRankUpdate]] = [:]
    for (name, layer) in layers.sorted(by: { $0.key < $1.key }) {
      guard let (part, weight) = targets[name], let shape = weights[part]?[weight] else { continue }
      let update = try update(name, layer, shape, in: part, settings)
      guard updates[part, default: [:]].updateValue(update, forKey: weight) == nil else {
        throw MalformedFile(
          path: lora.path, reason: "changes '\(part).\(weight)' twice, under two names; write it anew")
      }
    }
    return updates
  }

  private func update(
    _ name: String, _ layer: Layer, _ shape: Shape, in part: String, _ settings: [String: JSONValue]
  ) throws -> LowRankUpdate {
    guard let up = layer.up, let down = layer.down else {
      let missing = layer.up == nil ? "up (lora_B)" : "down (lora_A)"
      throw MalformedFile(path: lora.path, reason: "has no \(missing) for '\(name)'; download it again")
    }
    let factors = (up: try file.stored(up), down: try file.stored(down))
    for (name, factor) in [(up, factors.up), (down, factors.down)] {
      guard let (position, value) = factor.firstNotFinite else { continue }
      throw MalformedFile(
        path: lora.path,
        reason:
          "holds \(value) in '\(name)' at position \(position), but weights must be finite; download it again"
      )
    }
    let rank = Double(factors.down.shape.extents.first ?? 1)
    let scale = try alpha(layer).map { $0 / rank } ?? scale(of: name, in: part, rank: rank, settings) ?? 1
    let update = LowRankUpdate(up: factors.up, down: factors.down, scale: Float(lora.strength * scale))
    guard let update, update.rows == shape[0], update.rows * update.columns == shape.count else {
      throw MalformedFile(
        path: lora.path,
        reason: "has factors of shapes \(factors.up.shape) and \(factors.down.shape) for '\(name)', which is "
          + "\(shape) in the model; take a LoRA that was made for this model")
    }
    return update
  }

  /// The alpha that a layer has of its own.
  private func alpha(_ layer: Layer) throws -> Double? {
    guard let name = layer.alpha else { return nil }
    let isWhole = [.i64, .i32].contains(file.entry(name)?.type)
    let values =
      try isWhole ? file.integers(name).map(Double.init) : file.tensor(name).elements.map(Double.init)
    guard values.count == 1, values[0].isFinite else {
      throw MalformedFile(
        path: lora.path, reason: "has an alpha '\(name)' that is no finite number; download it again")
    }
    return values[0]
  }

  /// Every name that a layer may have in a file: for each, the part and the weight.
  private static func targets(
    _ weights: [String: [String: Shape]]
  ) -> [String: (part: String, weight: String)] {
    var targets: [String: (part: String, weight: String)] = [:]
    // A single text encoder has no number.
    let first = weights["text_encoder_2"] == nil ? "lora_te_" : "lora_te1_"
    let kohya = ["unet": "lora_unet_", "text_encoder": first, "text_encoder_2": "lora_te2_"]
    for (part, shapes) in weights {
      for (weight, shape) in shapes where weight.hasSuffix(".weight") && shape.rank > 1 {
        let layer = String(weight.dropLast(".weight".count))
        if layer.hasSuffix("_embedding") || layer == "text_projection" { continue }
        var names: [String] = []
        var dotted = [layer]
        if part == "unet" {
          if let theirs = OriginalNames.unet.theirs(layer) {
            dotted.append(theirs)
            names.append("diffusion_model.\(theirs)")
          }
          names.append(layer)
        } else if !layer.hasPrefix("text_model.") {
          dotted = ["text_model.\(layer)"]
        }
        names += ["\(part).\(dotted[0])", "\(part).\(layer)"]
        // As transformers 5 names a text encoder's layers.
        if part != "unet", layer.hasPrefix("text_model.") {
          names.append("\(part).\(layer.dropFirst("text_model.".count))")
        }
        names += dotted.map { (kohya[part] ?? "") + $0.replacing(".", with: "_") }
        for name in names { targets[name] = (part, weight) }
      }
    }
    return targets
  }
}
