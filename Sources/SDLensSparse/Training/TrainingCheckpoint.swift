import Foundation
import SDLensCore

/// A training at one of its steps: what a later run needs to go on as if there had been no interruption.
public struct TrainingCheckpoint: Sendable {
  /// The number of batches consumed.
  public let position: Int
  /// The width of the vectors.
  public let width: Int
  /// The number of vectors in an epoch.
  public let count: Int
  /// The dictionaries.
  public var states: [DictionaryState]
  /// What else the writer wants to find again, as in the fingerprint of the data.
  public var notes: [String: String] = [:]

  /// The settings of each dictionary.
  public var settings: [TrainingSettings] { states.map(\.settings) }

  init(position: Int, width: Int, count: Int, states: [DictionaryState]) {
    (self.position, self.width, self.count, self.states) = (position, width, count, states)
  }

  /// Checks that a run with these settings, on these vectors, continues this one.
  func check(against settings: [TrainingSettings], width: Int, count: Int) throws {
    guard width == self.width else {
      throw TrainingError.otherData(name: "width", now: width, checkpoint: self.width)
    }
    guard count == self.count else {
      throw TrainingError.otherData(name: "number", now: count, checkpoint: self.count)
    }
    guard settings.count == states.count else {
      throw TrainingError.changedCount(now: settings.count, checkpoint: states.count)
    }
    for (index, (now, state)) in zip(settings, states).enumerated() {
      if let (name, mine, other) = now.difference(from: state.settings, ignoring: TrainingSettings.extended) {
        throw TrainingError.changedSetting(dictionary: index, name: name, now: mine, checkpoint: other)
      }
      let (end, oldEnd) = (now.steps(over: count), state.settings.steps(over: count))
      guard end >= position else { throw TrainingError.fewerSteps(now: end, checkpoint: position) }
      // The steps done so far would have had other learning rates.
      let falling = Double(position) > (1 - now.decay) * Double(min(end, oldEnd))
      guard end == oldEnd || now.decay == 0 || !falling else {
        throw TrainingError.decayBegun(now: end, checkpoint: oldEnd)
      }
    }
  }
}

extension TrainingCheckpoint {
  private static let format = "sdlens training 1"

  /// What stands in the metadata of the file.
  private struct Header: Codable {
    let position: Int
    let width: Int
    let count: Int
    let notes: [String: String]
    let dictionaries: [Member]

    struct Member: Codable {
      let settings: TrainingSettings
      let mseScale: Float
      /// Absent where there is nothing to remember.
      let memory: [String: Double]?
    }
  }

  /// Writes everything to one safetensors file, whole or not at all, always as the same bytes.
  ///
  /// Tensors of dictionary i: `i.encoder`, `i.decoder`, `i.pre_bias`, `i.latent_bias`, where there are thresholds
  /// `i.threshold`; the same behind `i.mean.` and `i.square.`, of Adam; `i.idle` and `i.activations`, whole numbers by feature. The metadata hold `format` and
  /// `training`, JSON of position, data and settings, and `crc32`, the checksum of all tensors.
  ///
  /// - Throws: `FileError` when the folder or the disk does not take the file.
  public func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let header = Header(
      position: position, width: width, count: count, notes: notes,
      dictionaries: states.map {
        .init(
          settings: $0.settings, mseScale: $0.mseScale, memory: $0.memory.isEmpty ? nil : $0.memory)
      })
    var items: [Safetensors.Item] = []
    for (index, state) in states.enumerated() {
      items += state.parts.map { .init("\(index).\($0.name)", $0.tensor) }
      items += state.counters.map { .init("\(index).\($0.name)", $0.values, [$0.values.count]) }
    }
    try Safetensors.write(
      items,
      metadata: [
        "format": Self.format, "training": String(decoding: try encoder.encode(header), as: UTF8.self),
        "crc32": String(try Safetensors.checksum(of: items), radix: 16),
      ],
      to: path)
  }

  /// Reads a file that `write` wrote.
  ///
  /// - Throws: the errors of `Safetensors`, and `MalformedFile` for what is no checkpoint or does not fit together.
  public init(contentsOf path: String) throws {
    let file = try Safetensors(contentsOf: path)
    func malformed(_ reason: String) -> MalformedFile {
      MalformedFile(path: path, reason: "is not a whole training checkpoint: \(reason)")
    }
    guard file.metadata["format"] == Self.format, let text = file.metadata["training"] else {
      throw malformed("its metadata do not say 'format': '\(Self.format)'")
    }
    // (Those that were written before it was thought of have none.)
    let sum = String(file.checksum(), radix: 16)
    guard sum == file.metadata["crc32"] ?? sum else {
      throw malformed(
        "its checksum is \(sum), but it was written with \(file.metadata["crc32"] ?? "none"); begin anew with "
          + "--restart")
    }
    let header: Header
    do {
      header = try JSONDecoder().decode(Header.self, from: Data(text.utf8))
    } catch {
      throw malformed("the metadata under 'training' cannot be read")
    }
    guard 0...1 << 40 ~= header.position, ConfigFile.sizes ~= header.width, 1...1 << 40 ~= header.count else {
      throw malformed(
        "position \(header.position), width \(header.width) or count \(header.count) makes no sense")
    }
    let states = try header.dictionaries.enumerated().map { index, member in
      do { try member.settings.check() } catch { throw malformed("\(error)") }
      guard member.mseScale > 0, member.mseScale.isFinite else {
        throw malformed("mseScale is \(member.mseScale)")
      }
      for (name, value) in member.memory ?? [:] where !(value >= 0 && value.isFinite) {
        throw malformed("'\(name)' that the recipe remembers is \(value)")
      }
      return try DictionaryState(
        member.settings, mseScale: member.mseScale, memory: member.memory, width: header.width,
        tensor: { name, shape in
          let name = "\(index).\(name)"
          let tensor = try file.tensor(name)
          guard tensor.shape == shape else {
            throw malformed("'\(name)' has shape \(tensor.shape), but its settings need \(shape)")
          }
          guard tensor.withElements({ $0.allSatisfy(\.isFinite) }) else {
            throw malformed("'\(name)' has values that are not finite")
          }
          return tensor
        },
        counts: { name in
          let name = "\(index).\(name)"
          let counts = try file.integers(name)
          guard counts.count == member.settings.features, counts.allSatisfy({ 0...1 << 60 ~= $0 }) else {
            throw malformed("'\(name)' is not a count for each of \(member.settings.features) features")
          }
          return counts
        })
    }
    self.init(position: header.position, width: header.width, count: header.count, states: states)
    notes = header.notes
  }
}

extension DictionaryState {
  fileprivate var parts: [(name: String, tensor: Tensor)] {
    [("", autoencoder.parameters), ("mean.", adam.mean), ("square.", adam.square)].flatMap { prefix, part in
      part.list.map { (prefix + $0.name, $0.tensor) }
    }
  }

  fileprivate var counters: [(name: String, values: [Int64])] {
    [("idle", dead.idle), ("activations", dead.activations)]
  }

  /// Takes each part by its name.
  fileprivate init(
    _ settings: TrainingSettings, mseScale: Float, memory: [String: Double]?, width: Int,
    tensor: (String, Shape) throws -> Tensor,
    counts: (String) throws -> [Int64]
  ) throws {
    let selection = settings.architecture.recipe.selection(settings, deviation: 1 / mseScale.squareRoot())
    func parameters(_ prefix: String) throws -> Parameters {
      try Parameters(features: settings.features, width: width, selection) { try tensor(prefix + $0, $1) }
    }
    self.init(
      settings: settings, autoencoder: SparseAutoencoder(try parameters(""), selection),
      mseScale: mseScale,
      adam: Adam(mean: try parameters("mean."), square: try parameters("square.")),
      dead: DeadFeatures(idle: try counts("idle"), activations: try counts("activations")),
      memory: memory ?? [:])
  }
}
