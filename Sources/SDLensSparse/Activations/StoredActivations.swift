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
    case mapped([(tensor: StoredTensor, start: Int)])
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

  /// The rows in the files that count, of a picture whose rows begin at `start`: the steps of each run that lie together.
  private func stretches(from start: Int) -> [Range<Int>] {
    guard let steps else { return [start..<start + storedRows] }
    return steps.map { start + $0 * placesPerStep..<start + ($0 + 1) * placesPerStep }
  }

  /// The row in the files, counted from the first of its picture, of a row that counts.
  private func storedRow(_ row: Int) -> Int {
    steps.map { $0[row / placesPerStep] * placesPerStep + row % placesPerStep } ?? row
  }

  /// All vectors of a picture, [rows, width], steps first.
  ///
  /// - Throws: `DamagedShard`, and what is wrong with the file.
  public func rows(ofPicture picture: Int) throws -> Tensor {
    let shard = shard(of: picture)
    let tensor = try files.verified(shards[shard].index).stored(block.name)
    var result = Tensor(uninitialized: [rowsPerPicture, width])
    result.withMutableElements {
      copy(from: tensor, (picture - firsts[shard]) * storedRows, to: $0.baseAddress!)
    }
    return result
  }

  /// Copies the vectors of the picture whose rows in a file begin at `start`.
  private func copy(from tensor: StoredTensor, _ start: Int, to target: UnsafeMutablePointer<Float>) {
    var target = target
    for rows in stretches(from: start) {
      tensor.copy(rows.lowerBound * width..<rows.upperBound * width, to: target)
      target += rows.count * width
    }
  }

  /// Which places of the map the vectors of a picture are from; nil when they are all.
  ///
  /// - Throws: As `rows`.
  public func places(ofPicture picture: Int) throws -> [Int]? {
    guard hasPlaces else { return nil }
    let shard = shard(of: picture)
    let all = try files.verified(shards[shard].index).integers("\(block.name).places")
    return stretches(from: (picture - firsts[shard]) * storedRows).flatMap { all[$0].map(Int.init) }
  }

  /// Makes the vectors of some pictures ready to be copied.
  ///
  /// - Throws: As `rows`.
  public func prepare(_ pictures: [Int]) throws {
    group = .mapped([])
    let size = storedRows * width
    let places = pictures.map(shard(of:))
    let needed = Set(places).sorted()
    guard needed.count <= mostMapped else { return try copy(pictures) }
    let opened = try files.verified(needed.map { shards[$0].index }).map { try $0.stored(block.name) }
    let tensors = Dictionary(uniqueKeysWithValues: zip(needed, opened))
    group = .mapped(
      zip(pictures, places).map { picture, shard in
        let (tensor, start) = (tensors[shard]!, (picture - firsts[shard]) * size)
        tensor.prefetch(start..<start + size)
        return (tensor, start)
      })
  }

  /// Copies the vectors of some pictures, shard by shard.
  private func copy(_ pictures: [Int]) throws {
    var copy = Tensor(uninitialized: [pictures.count * rowsPerPicture, width])
    for (place, picture) in pictures.enumerated().sorted(by: { $0.element < $1.element }) {
      let shard = shard(of: picture)
      let tensor = try files.verified(shards[shard].index).stored(block.name)
      copy.withMutableElements {
        self.copy(
          from: tensor, (picture - firsts[shard]) * storedRows,
          to: $0.baseAddress! + place * rowsPerPicture * width)
      }
    }
    group = .copied(copy)
  }

  /// Writes a vector of the pictures that were prepared.
  public func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>) {
    switch group {
    case .mapped(let pictures):
      let (tensor, first) = pictures[row / rowsPerPicture]
      let start = first + storedRow(row % rowsPerPicture) * width
      tensor.copy(start..<start + width, to: target)
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
