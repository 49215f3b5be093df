import SDLensCore
import SDLensSparse

/// What a block adds where prompts say something, beyond what it adds elsewhere: a difference of means, as a map.
///
/// `F_p = mean_{i ∈ with} ΔD_i,p − mean_{i ∈ without} ΔD_i,p` at each place p, over the recorded pictures whose prompt
/// says the words, and over all others; of several denoising steps the last.
public struct ConceptMap: Sendable {
  /// `F`, [height, width, channels].
  public let values: Tensor
  /// How many pictures have it.
  public let with: Int
  /// How many have not.
  public let without: Int

  /// Of the pictures for which `has` is true, against the others.
  ///
  /// - Parameter has: for each picture of the store, whether it has the concept.
  /// - Throws: `BlockNotStored`, `EmptyStore`, `DamagedShard`; `ConceptUnknown` when all have it or none has.
  public init(
    of concept: String, at block: String, in store: ActivationStore, _ has: [Bool],
    progress: () -> Void = {}
  ) throws {
    let activations = try store.activations(of: block)
    let (height, width) = (activations.block.mapHeight, activations.block.mapWidth)
    let (places, channels) = (height * width, activations.width)
    precondition(has.count == activations.pictures, "\(has.count) labels of \(activations.pictures) pictures")
    let count = has.count { $0 }
    guard 1..<has.count ~= count else {
      throw ConceptUnknown(concept: concept, store: store.folder, with: count, of: has.count)
    }
    guard store.manifest.places == nil else { throw ConceptUnplaced(store: store.folder) }
    var sums = [Double](repeating: 0, count: places * channels)
    for (picture, isIn) in has.enumerated() {
      let rows = activations.rowsPerPicture
      let update = try activations.rows(ofPicture: picture).rows(rows - places..<rows)
      let share = isIn ? 1 / Double(count) : -1 / Double(has.count - count)
      update.withElements { x in for index in x.indices { sums[index] += share * Double(x[index]) } }
      progress()
    }
    values = Tensor(sums.map { Float($0) }, [height, width, channels])
    (with, without) = (count, has.count - count)
  }

  /// Which prompts say words: one after the other, whatever their case and what stands between them.
  public static func says(_ words: String, _ prompts: [String]) -> [Bool] {
    func split(_ text: String) -> [String] {
      text.lowercased().split { $0.isWhitespace || $0.isPunctuation }.map(String.init)
    }
    let wanted = split(words)
    return prompts.map { !wanted.isEmpty && split($0).contains(wanted) }
  }
}

/// A concept that no recorded prompt says, or all.
public struct ConceptUnknown: UserError {
  let concept: String
  let store: String
  let with: Int
  let of: Int
  /// The concept, how many pictures have it, and what to do.
  public var description: String {
    "'\(concept)' is said by \(with) of the \(of) prompts of '\(store)', but some must say it and some not; choose other "
      + "words or another store"
  }
}

/// A store without whole maps.
public struct ConceptUnplaced: UserError {
  let store: String
  /// The store, and what is needed.
  public var description: String {
    "'\(store)' keeps only some places of each map, but a map needs all; record another without --sample-places"
  }
}
