import SDLensCore

/// The vectors of one block of a store; pictures are counted among those that are there.
///
/// A shard is compared with its checksum when it is read for the first time.
public final class StoredActivations: PictureRows {
  /// The block.
  public let block: ActivationManifest.Block
  /// Of a vector.
  public let width: Int
  /// Pictures that are there.
  public let pictures: Int
  /// Vectors of a picture, in the steps that count.
  public let rowsPerPicture: Int
  /// Vectors of a picture in the files, and in a step.
  private let storedRows, placesPerStep: Int
  /// Which of the steps in the files count; nil for all.
  private let steps: [Int]?
  private let files: ShardFiles
  private let shards: [ActivationShard]
  /// The place of the first picture of each shard among those that are there.
  private let firsts: [Int]
  private let hasPlaces: Bool

  /// Where the vectors of the pictures lie that were prepared: of each picture in a file, or all in memory.
  private enum Group {
    case mapped([(vectors: StoredVectors, start: Int)])
    /// Those of a smaller group are in front.
    case copied(Tensor)
  }
  private var group = Group.mapped([])
  /// Shards that are mapped for a group; of more than so many the vectors are copied.
  private let mostMapped: Int

  init(
    _ store: ActivationStore, _ files: ShardFiles, block: ActivationManifest.Block, mostMapped: Int
  ) throws {
    guard !store.shards.isEmpty else { throw EmptyStore(path: store.folder) }
    (self.block, self.files, shards, width) = (block, files, store.shards, block.width)
    self.mostMapped = mostMapped
    rowsPerPicture = store.manifest.rows(of: block)
    (storedRows, placesPerStep) = (files.manifest.rows(of: block), files.manifest.placesKept(of: block))
    let (stored, wanted) = (files.manifest.vectorSteps.steps, store.manifest.vectorSteps.steps)
    steps = stored == wanted ? nil : wanted.compactMap(stored.firstIndex)
    hasPlaces = store.manifest.places != nil
    var first = 0
    firsts = store.shards.map { shard in
      defer { first += shard.pictures.count }
      return first
    }
    pictures = first
  }

  /// The place of the shard of a picture among those that are there.
  private func shard(of picture: Int) -> Int {
    var low = 0
    var high = firsts.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if firsts[middle] <= picture { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// The rows of a shard that a picture has.
  private func rows(of picture: Int, in shard: Int) -> Range<Int> {
    let start = (picture - firsts[shard]) * storedRows
    return start..<start + storedRows
  }

  /// Those of them that count, which lie together within a step.
  private func stretches(_ rows: Range<Int>) -> [Range<Int>] {
    guard let steps else { return [rows] }
    let start = rows.lowerBound
    return steps.map { start + $0 * placesPerStep..<start + ($0 + 1) * placesPerStep }
  }

  /// Of a row that counts the row in the files, counted from the first of its picture.
  private func storedRow(_ row: Int) -> Int {
    steps.map { $0[row / placesPerStep] * placesPerStep + row % placesPerStep } ?? row
  }

  /// All vectors of a picture, [rows, width], steps first.
  ///
  /// - Throws: `DamagedShard`, and what is wrong with the file.
  public func rows(ofPicture picture: Int) throws -> Tensor {
    var result = Tensor(uninitialized: [rowsPerPicture, width])
    try result.withMutableElements { try copy(picture, to: $0.baseAddress!) }
    return result
  }

  /// Writes all vectors of a picture.
  private func copy(_ picture: Int, to target: UnsafeMutablePointer<Float>) throws {
    let shard = shard(of: picture)
    let vectors = try vectors(files.verified(shards[shard].index))
    var target = target
    for rows in stretches(rows(of: picture, in: shard)) {
      vectors.copy(rows, to: target)
      target += rows.count * width
    }
  }

  private func vectors(_ file: Safetensors) throws -> StoredVectors {
    try StoredVectors(file, block, files.manifest.dtype)
  }

  /// Which places of the map the vectors of a picture are from; nil when they are all.
  ///
  /// - Throws: As `rows`.
  public func places(ofPicture picture: Int) throws -> [Int]? {
    guard hasPlaces else { return nil }
    let shard = shard(of: picture)
    let all = try files.verified(shards[shard].index).integers("\(block.name).places")
    return stretches(rows(of: picture, in: shard)).flatMap { all[$0].map(Int.init) }
  }

  /// Makes the vectors of some pictures ready to be copied.
  ///
  /// - Throws: As `rows`.
  public func prepare(_ pictures: [Int]) throws {
    let places = pictures.map(shard(of:))
    let needed = Set(places).sorted()
    guard needed.count <= mostMapped else { return try copy(pictures) }
    group = .mapped([])
    let opened = try files.verified(needed.map { shards[$0].index }).map(vectors)
    let vectors = Dictionary(uniqueKeysWithValues: zip(needed, opened))
    group = .mapped(
      zip(pictures, places).map { picture, shard in
        let (vectors, rows) = (vectors[shard]!, rows(of: picture, in: shard))
        vectors.prefetch(rows)
        return (vectors, rows.lowerBound)
      })
  }

  /// Copies the vectors of some pictures, shard by shard, to where those of the last group were, if there is room.
  private func copy(_ pictures: [Int]) throws {
    let (count, size) = (pictures.count * rowsPerPicture, rowsPerPicture * width)
    var copy = Tensor([0])
    if case .copied(let last) = group, last.rows >= count { copy = last }
    group = .mapped([])
    if copy.count == 0 { copy = Tensor(uninitialized: [count, width]) }
    try copy.withMutableElements { target in
      for (place, picture) in pictures.enumerated().sorted(by: { $0.element < $1.element }) {
        try self.copy(picture, to: target.baseAddress! + place * size)
      }
    }
    group = .copied(copy)
  }

  /// Writes a vector of the pictures that were prepared.
  public func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>) {
    switch group {
    case .mapped(let pictures):
      let (vectors, first) = pictures[row / rowsPerPicture]
      let start = first + storedRow(row % rowsPerPicture)
      vectors.copy(start..<start + 1, to: target)
    case .copied(let vectors):
      vectors.withElements { target.update(from: $0.baseAddress! + row * width, count: width) }
    }
  }
}

/// A store without a single shard that can be used.
public struct EmptyStore: UserError {
  let path: String
  /// The store and what fills it.
  public var description: String {
    "'\(path)' has no shard that can be used yet; go on with the 'sdlens collect' that began it"
  }
}
