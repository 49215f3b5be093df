import Foundation
import Synchronization

/// All weights of one part of a model: one safetensors file, shards with an index, or some tensors of a file in
/// another layout.
///
/// Every tensor is taken by name and shape through `root`; what nobody took is an error in `finish`.
public final class WeightFile: Sendable {
  /// The file, or the index of the shards.
  public let path: String
  /// What is wrong with a file that would have come first; that shards are not there is nothing wrong.
  public let passedOver: (any UserError)?
  /// What computes the layers that are read from it.
  public let engine: any Engine
  private let shards: [Safetensors]
  private let sources: [String: (shard: Int, place: WeightPlace)]
  /// What is added to weights, by their names.
  private let updates: [String: [LowRankUpdate]]
  /// What says which weights there should be, for messages.
  private let settings: String
  private let taken = Mutex(Set<String>())

  /// Opens `name.safetensors` in a folder, its shards, or its variants in other formats: the first that is whole.
  ///
  /// - Parameters:
  ///   - name: `diffusion_pytorch_model` in a U-net or VAE, `model` in a text encoder.
  ///   - engine: what computes the layers that are read from it.
  /// - Throws: `WeightError` when none is there; of the first, when none is whole: `WeightError` for shards that do
  ///   not fit their index, and the errors of `Safetensors`.
  public init(folder: String, name: String, engine: any Engine = KernelEngine()) throws {
    self.engine = engine
    let candidates = try WeightFolder(path: folder, name: name).candidates()
    (path, shards, passedOver) = try Self.whole(candidates[0], else: candidates.dropFirst())
    // Once each: the index has one shard for a name, and the shards agree with it.
    sources = Dictionary(
      uniqueKeysWithValues: shards.enumerated().flatMap { shard, file in
        file.names.map { ($0, (shard, WeightPlace($0))) }
      })
    (updates, settings) = ([:], Self.settingsBeside)
  }

  private static let settingsBeside = "the config.json beside"

  /// Some tensors of a file as the weights of a part.
  ///
  /// - Parameters:
  ///   - places: where each weight lies, by its name.
  ///   - settings: what says which weights there should be, for messages.
  public init(
    _ file: Safetensors, places: [String: WeightPlace], settings: String, engine: any Engine = KernelEngine()
  ) {
    (path, shards, self.settings, self.engine) = (file.file.path, [file], settings, engine)
    (sources, updates, passedOver) = (places.mapValues { (0, $0) }, [:], nil)
  }

  private init(_ other: WeightFile, _ updates: [String: [LowRankUpdate]]) {
    (path, engine, shards, sources) = (other.path, other.engine, other.shards, other.sources)
    (settings, passedOver, self.updates) = (other.settings, other.passedOver, updates)
  }

  /// The same weights, with what is added to them when they are read.
  public func merging(_ updates: [String: [LowRankUpdate]]) -> WeightFile { WeightFile(self, updates) }

  /// The names of all weights and their shapes.
  public var shapes: [String: Shape] {
    sources.compactMapValues { shard, place in
      shards[shard].entry(place.name).map { place.shape(of: $0.shape) }
    }
  }

  /// The first of the files, or sets of shards, that is whole, and what is wrong with the very first if that is another.
  private static func whole(
    _ path: String, else others: ArraySlice<String>
  ) throws -> (path: String, shards: [Safetensors], passedOver: (any UserError)?) {
    do {
      guard path.hasSuffix(".json") else { return (path, [try Safetensors(contentsOf: path)], nil) }
      let index = try ShardIndex(contentsOf: path)
      let folder = path.folderOfPath
      let shards = try index.files.map { try Safetensors(contentsOf: folder + "/" + $0) }
      try index.check(against: shards)
      return (path, shards, nil)
    } catch let problem {
      guard let next = others.first, let found = try? whole(next, else: others.dropFirst()) else {
        throw problem
      }
      if case WeightError.noShard = problem { return found }
      return (found.path, found.shards, problem as? any UserError)
    }
  }

  /// The paths of all files that the weights lie in, the index of shards included.
  public var files: [String] {
    let paths = shards.map(\.file.path)
    return paths.contains(path) ? paths : [path] + paths
  }

  /// The scope in which all weights lie.
  public var root: WeightScope { WeightScope(path: "", file: self) }

  /// Gives the memory of all mapped pages back; the next touch reads them again.
  public func releasePages() { for shard in shards { shard.file.releasePages(0..<shard.file.count) } }

  /// Whether there is a weight of that name.
  func hasName(_ name: String) -> Bool { sources[name] != nil }

  /// Whether the name of any weight begins so.
  func hasNames(beginningWith prefix: String) -> Bool { sources.keys.contains { $0.hasPrefix(prefix) } }

  /// Checks that every weight was taken.
  ///
  /// - Parameter ignoring: beginnings (`encoder.`) and ends (`.position_ids`) of names that may be left.
  /// - Throws: `WeightError` naming what is left.
  public func finish(ignoring: [String] = []) throws {
    let taken = taken.withLock { $0 }
    let left = sources.keys.filter { !taken.contains($0) && !$0.matches(ignoring) }
    guard left.isEmpty else { throw WeightError.leftovers(path: path, names: left.sorted(), settings) }
  }

  /// What the headers say of all tensors but those to be ignored, as in `finish`.
  public func entries(ignoring: [String]) -> [Safetensors.Entry] {
    sources.keys.filter { !$0.matches(ignoring) }.sorted().compactMap { name in
      guard let (shard, place) = sources[name], let entry = shards[shard].entry(place.name) else {
        return nil
      }
      let shape = place.shape(of: entry.shape)
      let start = entry.range.lowerBound
      return Safetensors.Entry(
        type: entry.type, shape: shape, range: start..<start + shape.count * entry.type.size)
    }
  }

  /// Marks a weight as taken and hands it out, checked.
  func take(_ name: String, _ shape: Shape) throws -> WeightMatrix {
    guard let (shard, place) = sources[name], let entry = shards[shard].entry(place.name) else {
      let nearest = sources.keys.sorted().nearest(to: name)
      throw WeightError.missing(path: path, name: name, nearest: nearest, settings)
    }
    let found = place.shape(of: entry.shape)
    guard found == shape else {
      throw WeightError.wrongShape(path: path, name: name, found: found, needed: shape, settings)
    }
    var elements = try shards[shard].elements(place.name)
    if case .third(let index) = place.form { elements = elements.third(index) }
    if let (position, value) = elements.firstNotFinite() {
      throw WeightError.notFinite(path: path, name: name, value: value, index: shape.index(of: position))
    }
    taken.withLock { _ = $0.insert(name) }
    let added = updates[name] ?? []
    guard place.form == .transposed else { return WeightMatrix(elements, shape, updates: added) }
    precondition(added.isEmpty, "a low-rank update of a transposed weight")
    let stored = elements.copied([1, shape[1], 1, shape[0]])
    return WeightMatrix(stored.channelsFirst().reshaped(shape))
  }
}

extension String {
  /// Whether it begins or ends with one of the patterns.
  fileprivate func matches(_ patterns: [String]) -> Bool {
    patterns.contains { hasPrefix($0) || hasSuffix($0) }
  }
}

extension Shape {
  /// The index along each axis of a row-major position.
  fileprivate func index(of position: Int) -> [Int] {
    var rest = position
    let reversed = extents.reversed().map { extent in
      defer { rest /= extent }
      return rest % extent
    }
    return reversed.reversed()
  }
}
