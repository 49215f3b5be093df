import SDLensCore
import SDLensShapes
import SDLensSparse

/// The updates of a block in a store of `shapes`, in the last denoising step, and what is true of them.
struct LabelledUpdates {
  /// How many pictures there are.
  let count: Int
  /// Height and width of a map.
  let side: Int
  /// Entries of a vector.
  let width: Int
  private let block: String
  private let scenes: [ShapesScene]
  private let activations: StoredActivations
  private let seeds: [Seed]

  /// Opens a block of a store, up to its picture `limit`.
  ///
  /// - Throws: `NotOfShapes`, `BlockNotStored`, `EmptyStore`.
  init(of block: String, in store: ActivationStore, limit: Int) throws {
    self.block = block
    scenes = try FactorStudy.scenes(of: store)
    activations = try store.activations(of: block)
    side = activations.block.mapHeight
    guard side == activations.block.mapWidth, ShapesWorld.pictureSize % side == 0 else {
      throw NotOfShapes(
        store: store.folder, reason: "has maps of \(side) × \(activations.block.mapWidth) places")
    }
    (count, width) = (min(limit, activations.pictures), activations.width)
    seeds = store.pictureNumbers.map { store.manifest.seed + $0 }
  }

  /// The vectors of a picture, [places, width].
  ///
  /// - Throws: `DamagedShard`, and what is wrong with its file.
  func vectors(_ picture: Int) throws -> Tensor {
    // Steps stand one behind the other; the last shows the picture that is scored.
    let rows = activations.rowsPerPicture
    return try activations.rows(ofPicture: picture).rows(rows - side * side..<rows)
  }

  /// What a picture shows, and where.
  func truth(_ picture: Int) -> ShapesTruth {
    ShapesTruth(scenes[picture], ShapesShifts(seed: seeds[picture]), side: side)
  }

  /// Checks that a dictionary is for vectors of this width.
  ///
  /// - Throws: `WidthMismatch`.
  func check(_ autoencoder: SparseAutoencoder) throws {
    guard autoencoder.width == width else {
      throw WidthMismatch(block: block, stored: width, dictionary: autoencoder.width)
    }
  }

  /// How many features of a dictionary are active in a vector on average, rounded, at least 1.
  func meanActive(_ autoencoder: SparseAutoencoder) throws -> Int {
    let active = try (0..<count).reduce(0) { $0 + autoencoder.encode(try vectors($1)).count }
    return max(1, Int((Double(active) / Double(count * side * side)).rounded()))
  }
}
