import Foundation
import SDLensCore

/// In which pictures each feature is active, and how strongly: `examples.safetensors`.
///
/// The strength of a feature in a picture is `a_ρ`, the mean of its map (paper, eq. 9); over all steps where
/// there are several. Where little room is, only the strongest pictures are kept, and no maps: see `compact`.
public struct FeatureExamples: Sendable {
  /// A picture in which a feature is active.
  public struct Example: Sendable, Equatable {
    /// The number of the picture in its store, from which its seed follows.
    public let picture: Int
    /// `a_ρ`.
    public let strength: Float

    /// Pairs the two.
    public init(picture: Int, strength: Float) { (self.picture, self.strength) = (picture, strength) }
  }

  /// For so many of its strongest pictures the map of a feature is kept.
  public static let mapsKept = 16
  /// The name of the file in the folder of a dictionary.
  public static let fileName = "examples.safetensors"

  /// The extents of a map: steps, height, width.
  public let mapShape: Shape
  private let offsets: [Int]
  private let pictures: [Int32]
  private let strengths: [Float]
  /// In how many pictures each feature is active, where only the strongest are kept; nil where all are.
  private let counts: [Int]?
  /// [features, mapsKept, places]; nil when the store kept some places only.
  private let maps: StoredMaps?

  private enum StoredMaps: Sendable {
    case file(StoredTensor)
    case memory([Float])
  }

  /// Bytes that they take of a dictionary, about, with the prompts of their pictures: maps are kept of some, and in each
  /// picture a seventh of the features act that all places together could name.
  static func bytes(_ settings: TrainingSettings, pictures: Int, places: Int) -> Int {
    let features = Double(settings.features)
    let named = Double(settings.k * places) / 7
    let active = features * (1 - exp(-named / features))
    return settings.features * (mapsKept * places * 2 + 8) + pictures * (Int(8 * active) + 100)
  }

  /// The number of features.
  public var features: Int { max(0, offsets.count - 1) }

  /// The pictures in which a feature is active, strongest first; of equal ones the earlier first. Where `isWhole` is
  /// false, the weakest are not among them.
  public subscript(feature: Int) -> [Example] {
    (offsets[feature]..<offsets[feature + 1]).map {
      Example(picture: Int(pictures[$0]), strength: strengths[$0])
    }
  }

  /// In how many pictures a feature is active.
  public func count(of feature: Int) -> Int { counts?[feature] ?? kept(of: feature) }

  /// Whether all pictures are kept in which a feature is active.
  public func isWhole(_ feature: Int) -> Bool { count(of: feature) == kept(of: feature) }

  private func kept(of feature: Int) -> Int { offsets[feature + 1] - offsets[feature] }

  /// The pictures in the upper share of those in which a feature is active, at least one if there is any:
  /// the paper's "top 5 %".
  public func top(_ share: Double = 0.05, of feature: Int) -> [Example] {
    Array(self[feature].prefix(Self.topCount(share, of: count(of: feature))))
  }

  static func topCount(_ share: Double, of count: Int) -> Int { Int((Double(count) * share).rounded(.up)) }

  /// The same without maps, and of each feature only the pictures of its top 5 %, at least ten: a hundredth of the size.
  public var compact: FeatureExamples {
    var (offsets, pictures, strengths): ([Int], [Int32], [Float]) = ([0], [], [])
    for feature in 0..<features {
      for example in self[feature].prefix(max(Self.fewestKept, Self.topCount(0.05, of: count(of: feature)))) {
        pictures.append(Int32(example.picture))
        strengths.append(example.strength)
      }
      offsets.append(pictures.count)
    }
    return FeatureExamples(
      mapShape: mapShape, offsets: offsets, pictures: pictures, strengths: strengths,
      counts: (0..<features).map(count), maps: nil)
  }
  private static let fewestKept = 10

  private init(
    mapShape: Shape, offsets: [Int], pictures: [Int32], strengths: [Float], counts: [Int]?, maps: StoredMaps?
  ) {
    (self.mapShape, self.offsets, self.pictures) = (mapShape, offsets, pictures)
    (self.strengths, self.counts, self.maps) = (strengths, counts, maps)
  }

  /// The map of a feature in its strongest pictures, [steps · height · width]; nil beyond those kept.
  public func map(of feature: Int, rank: Int) -> [Float]? {
    guard rank < min(Self.mapsKept, count(of: feature)), let maps else { return nil }
    let size = mapShape.count
    let start = (feature * Self.mapsKept + rank) * size
    switch maps {
    case .memory(let maps): return Array(maps[start..<start + size])
    case .file(let file):
      return [Float](unsafeUninitializedCapacity: size) { buffer, count in
        file.copy(start..<start + size, to: buffer.baseAddress!)
        count = size
      }
    }
  }

  /// Reads the file of a dictionary.
  ///
  /// - Throws: `FileError`, `SafetensorsError`, `MalformedFile`.
  public init(contentsOf path: String, features: Int) throws {
    let file = try Safetensors(contentsOf: path)
    func check(_ holds: Bool, _ what: String) throws {
      guard holds else {
        throw MalformedFile(path: path, reason: "\(what); make it again with: sdlens statistics")
      }
    }
    let offsets = try file.integers("offsets").map(Int.init)
    let strengths = try file.tensor("strengths").elements
    let pictures = try file.integers("pictures")
    try check(offsets.count == features + 1, "is of \(offsets.count - 1) features, not \(features)")
    try check(
      offsets.first == 0 && offsets.last == pictures.count && pictures.count == strengths.count
        && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 }, "has lists that do not fit together")
    try check(strengths.allSatisfy { $0.isFinite && $0 >= 0 }, "has strengths that are no activations")
    try check(pictures.allSatisfy { 0...Int64(Int32.max) ~= $0 }, "names pictures that cannot be")
    let extents = (file.metadata["map"] ?? "").split(separator: " ").compactMap { Int($0) }
    try check(
      extents.count == 3 && extents.allSatisfy { 1...1 << 16 ~= $0 }, "does not tell the size of a map")
    mapShape = Shape(extents)
    if file.entry("maps") != nil {
      let maps = try file.stored("maps")
      try check(maps.shape == [features, Self.mapsKept, mapShape.count], "has maps \(maps.shape)")
      self.maps = .file(maps)
    } else {
      maps = nil
    }
    counts = try file.entry("counts").map { _ in try file.integers("counts").map(Int.init) }
    if let counts {
      try check(
        counts.count == features
          && counts.indices.allSatisfy { offsets[$0 + 1] - offsets[$0]...Int(Int32.max) ~= counts[$0] },
        "counts fewer pictures than it lists")
    }
    (self.offsets, self.strengths) = (offsets, strengths)
    self.pictures = pictures.map(Int32.init)
  }

  fileprivate init(_ collected: FeatureExampleCollector) {
    var (offsets, pictures, strengths): ([Int], [Int32], [Float]) = ([0], [], [])
    for examples in collected.examples {
      for example in examples.sorted(by: { ($1.strength, $0.picture) < ($0.strength, $1.picture) }) {
        pictures.append(example.picture)
        strengths.append(example.strength)
      }
      offsets.append(pictures.count)
    }
    self.init(
      mapShape: collected.mapShape, offsets: offsets, pictures: pictures, strengths: strengths, counts: nil,
      maps: collected.orderedMaps.map { .memory($0) })
  }

  /// Writes the file, whole or not at all; maps in half precision, unless an activation is beyond it.
  public func write(to path: String) throws {
    var items: [Safetensors.Item] = []
    if case .memory(let maps) = maps {
      let shape: Shape = [features, Self.mapsKept, mapShape.count]
      let maps = Tensor(maps, shape)
      do { items.append(try .init(half: maps, "maps")) } catch is BeyondFormat {
        items.append(.init("maps", maps))
      }
    }
    if let counts { items.append(.init("counts", counts.map(Int32.init), [counts.count])) }
    items += [
      .init("offsets", offsets.map(Int64.init), [offsets.count]),
      .init("pictures", pictures, [pictures.count]),
      .init("strengths", Tensor(strengths, [strengths.count])),
    ]
    let map = mapShape.extents.map { "\($0)" }.joined(separator: " ")
    try Safetensors.write(items, metadata: ["map": map], to: path)
  }
}

/// Gathers examples picture by picture.
public struct FeatureExampleCollector {
  fileprivate let mapShape: Shape
  fileprivate private(set) var examples: [[(picture: Int32, strength: Float)]]
  private let keepsMaps: Bool
  private var top: [[(strength: Float, picture: Int32, map: [Float])]]
  private var sums: [Float]

  /// - Parameters:
  ///   - mapShape: steps, height, width.
  ///   - keepsMaps: false when the vectors of a picture are not all places of its maps.
  public init(features: Int, mapShape: Shape, keepsMaps: Bool) {
    self.mapShape = mapShape
    self.keepsMaps = keepsMaps
    examples = Array(repeating: [], count: features)
    top = Array(repeating: [], count: features)
    sums = Array(repeating: 0, count: features)
  }

  /// Takes in the codes of the vectors of one picture; pictures come in the order of their numbers.
  public mutating func add(_ codes: Codes, picture: Int) {
    var active: [Int] = []
    codes.forEachActive { _, feature, value in
      if sums[feature] == 0 { active.append(feature) }
      sums[feature] += value
    }
    var wanted: [Int: Int] = [:]
    for feature in active {
      let strength = sums[feature] / Float(codes.rows)
      sums[feature] = 0
      examples[feature].append((Int32(picture), strength))
      guard keepsMaps else { continue }
      if top[feature].count == FeatureExamples.mapsKept {
        // Strictly stronger: of equal ones the earlier stays.
        guard strength > top[feature].last!.strength else { continue }
        top[feature].removeLast()
      }
      let place = top[feature].firstIndex { $0.strength < strength } ?? top[feature].count
      top[feature].insert((strength, Int32(picture), []), at: place)
      wanted[feature] = place
    }
    guard !wanted.isEmpty else { return }
    for place in wanted { top[place.key][place.value].map = Array(repeating: 0, count: codes.rows) }
    codes.forEachActive { row, feature, value in
      if let place = wanted[feature] { top[feature][place].map[row] = value }
    }
  }

  /// All that was gathered.
  public var result: FeatureExamples { FeatureExamples(self) }

  fileprivate var orderedMaps: [Float]? {
    guard keepsMaps else { return nil }
    var maps = [Float](repeating: 0, count: top.count * FeatureExamples.mapsKept * mapShape.count)
    for (feature, list) in top.enumerated() {
      for (rank, example) in list.enumerated() {
        let start = (feature * FeatureExamples.mapsKept + rank) * mapShape.count
        maps.replaceSubrange(start..<start + mapShape.count, with: example.map)
      }
    }
    return maps
  }
}
