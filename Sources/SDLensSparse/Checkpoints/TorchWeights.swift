import SDLensCore

/// The dictionary in a torch file that has the tensors of an autoencoder.
///
/// Programs save it bare, or under a name beside optimizer, step and settings: `{"state_dict": …, "step": 100}`;
/// wrappers put one prefix before all names: `module.`, `_orig_mod.`, `sae.`.
struct TorchWeights {
  private let path: String
  private let values: [String: Pickle]
  private let prefix: String

  /// Looks for the dictionary that has tensors of all these names behind one prefix: under `state_dict`, then the
  /// outermost, then the only one within it.
  ///
  /// - Throws: `TorchFileError` when no dictionary was saved, `MalformedFile` when two have them. Where none has them,
  ///   what is missing is said when it is taken.
  init(in file: TorchFile, needing names: [String]) throws {
    path = file.path
    let root = try file.dictionary()
    func twice(_ places: [String]) -> MalformedFile {
      MalformedFile(
        path: file.path,
        reason: "holds '\(names[0])' and the rest more than once, as "
          + places.sorted().map { "'\($0)'" }.joined(separator: ", ") + "; save the one that is meant alone")
    }
    func prefix(_ values: [String: Pickle]) throws -> String? {
      let all = Self.prefixes(names, values)
      guard all.count < 2 || all.contains("") else { throw twice(all.map { $0 + names[0] }) }
      return all.contains("") ? "" : all.first
    }
    let usual = root["state_dict"]?.dictionary?.values
    for values in [usual, root].compactMap(\.self) {
      guard let prefix = try prefix(values) else { continue }
      (self.values, self.prefix) = (values, prefix)
      return
    }
    let found = try Self.inner(root).compactMap { place, values in
      try prefix(values).map { (place, values, $0) }
    }
    guard found.count < 2 else { throw twice(found.map(\.0)) }
    (_, values, self.prefix) = found.first ?? ("", usual ?? root, "")
  }

  /// What stands before the names where all have the same before them; empty where that is nothing.
  private static func prefixes(_ names: [String], _ values: [String: Pickle]) -> [String] {
    values.keys.filter { $0.hasSuffix(names[0]) }.map { String($0.dropLast(names[0].count)) }.filter {
      prefix in
      names.allSatisfy { if case .tensor? = values[prefix + $0] { true } else { false } }
    }
  }

  /// The dictionaries within one, each once, with the keys that lead there.
  private static func inner(_ root: [String: Pickle]) -> [(place: String, values: [String: Pickle])] {
    var seen: Set<ObjectIdentifier> = []
    var found: [(String, [String: Pickle])] = []
    var level = [("", root)]
    for _ in 0..<deepest {
      var next: [(String, [String: Pickle])] = []
      for (place, values) in level {
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
          guard let dictionary = value.dictionary, seen.insert(ObjectIdentifier(dictionary)).inserted else {
            continue
          }
          next.append((place.isEmpty ? key : "\(place).\(key)", dictionary.values))
        }
      }
      found += next
      level = next
    }
    return found
  }

  private static let deepest = 3

  /// The names, without the prefix, of all that may be part of the computation.
  var parts: [String] {
    values.compactMap { key, value in
      guard !Self.tellsOfTraining(key.lowercased(), value) else { return nil }
      return key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : key
    }
  }

  /// A tensor by its name without the prefix.
  ///
  /// - Throws: `MalformedFile` for what is none.
  func tensor(_ name: String) throws -> TorchTensor {
    let value = values[prefix + name] ?? values[name]
    guard case .tensor(let tensor)? = value else {
      throw MalformedFile(
        path: path, reason: "holds '\(name)' as \(value?.kind ?? "nothing"), but a tensor is needed")
    }
    return tensor
  }

  /// A whole number by its name without the prefix.
  func number(_ name: String) -> Int? { (values[prefix + name] ?? values[name])?.int }

  /// Whether an entry beside weights tells how they were made, and takes no part in what they compute.
  private static func tellsOfTraining(_ name: String, _ value: Pickle) -> Bool {
    switch value {
    case .tensor, .storage: false
    // A dtype and its like.
    case .none, .global: true
    case .other("a torch.device"), .other("a torch.Size"): true
    default: words.contains { name.contains($0) }
    }
  }

  private static let words = [
    "args", "batch", "best", "cfg", "config", "date", "device", "dtype", "epoch", "history", "iter",
    "learning",
    "log", "loss", "lr", "meta", "metric", "name", "note", "optim", "param", "rng", "sched", "seed", "shape",
    "size", "step", "time", "token", "train", "version",
  ]
}
