import SDLensCore
import SDLensDrawing
import SDLensSparse

/// How well captions fit, by what a judge can tell from pictures that the annotator did not see.
///
/// - **detection**: among 5 pictures with the feature and 5 without, which does the caption fit?
/// - **fuzzing**: of 5 pictures with the feature, each once with everything white where it is not active and once with
///   its map moved by half the picture's height and width, which do they fit: is the marked area what the caption says?
///
/// Both are balanced accuracies: the mean of the share of pictures rightly found and the share rightly left; 0.5 is
/// chance. Source of the two questions: Paulo et al., "Automatically Interpreting Millions of Features", 2024.
package struct CaptionTest {
  /// Pictures of each kind.
  static let pictures = 5
  /// Fewer of either kind tell nothing.
  static let fewest = 2
  /// The largest share that a map and itself moved may have in common.
  static let mostOverlap: Float = 0.5

  /// Pictures in random order, and whether each is with the feature.
  private typealias Pictures = [(picture: Picture, isWith: Bool)]
  private var detection, fuzzing: Pictures?

  /// The numbers of the pictures of a test.
  struct Chosen {
    var with: [Int]
    var without: [Int]
  }

  /// Pictures of a feature beyond those that an annotator saw; nil for one that was never active.
  static func chosen(
    for feature: Int, seen: Set<Int>, _ maker: SheetMaker, _ random: inout PCG64
  ) throws -> Chosen? {
    guard let dictionary = maker.session.dictionaries[maker.block] else {
      preconditionFailure("no dictionary of \(maker.block)")
    }
    let recorded = try RecordedScenes(dictionary)
    guard recorded.isActive(feature) else { return nil }
    let all = try recorded.strongestPictures(.max, of: feature)
    let unseen = all.filter { !seen.contains($0.picture) }
    let pool = max(
      4 * pictures, Int((Double(recorded.count(of: feature)) * RecordedScenes.topShare).rounded(.up)))
    let strong = Array(unseen.prefix(pool))
    let with = random.permutation(strong.count).prefix(pictures).map { strong[$0].picture }
    let without = try recorded.picturesWithout(feature, pictures, where: { !seen.contains($0) }) {
      try maker.isSilent(feature, $0)
    }
    return Chosen(with: with, without: without)
  }

  /// What decides the pictures of a test, and their order.
  static func random(_ feature: Int, _ maker: SheetMaker) -> PCG64 {
    maker.session.random("captions \(maker.block) \(feature)")
  }

  /// The test of a feature; nil for one that was never active.
  init?(of feature: Int, seen: Set<Int>, _ maker: SheetMaker) throws {
    var random = Self.random(feature, maker)
    guard let chosen = try Self.chosen(for: feature, seen: seen, maker, &random) else { return nil }
    try self.init(of: feature, chosen, maker, &random)
  }

  /// The test of a feature with these pictures.
  init(of feature: Int, _ chosen: Chosen, _ maker: SheetMaker, _ random: inout PCG64) throws {
    let session = maker.session
    guard chosen.with.count >= Self.fewest else { return }
    func shuffled(_ pictures: Pictures) -> Pictures {
      random.permutation(pictures.count).map { pictures[$0] }
    }
    if chosen.without.count >= Self.fewest {
      detection = shuffled(
        try chosen.with.map { (try session.picture($0), true) }
          + chosen.without.map { (try session.picture($0), false) })
    }
    let marked = try chosen.with.flatMap { number in
      let shown = try maker.shown(number, feature, share: 1)
      guard let moved = shown.map.flatMap(Self.moved) else { return Pictures() }
      return [(shown.cold, true), (ColdMap()(moved, over: shown.picture), false)]
    }
    if marked.count >= 2 * Self.fewest { fuzzing = shuffled(marked) }
  }

  /// A map [height, width] moved by half its height and width, around the edges; nil where too much of it is where
  /// something was before.
  package static func moved(_ map: Tensor) -> Tensor? {
    let (height, width) = (map.shape[0], map.shape[1])
    let old = map.elements.map { max(0, $0) }
    let moved = old.indices.map { index in
      old[(index / width + height / 2) % height * width + (index % width + width / 2) % width]
    }
    let (sum, common) = (old.reduce(0, +), zip(old, moved).reduce(Float(0)) { $0 + min($1.0, $1.1) })
    guard sum > 0, common <= mostOverlap * sum else { return nil }
    return Tensor(moved, map.shape)
  }

  /// Detection and fuzzing of a caption; nil where there are too few pictures, or the judge has no answer.
  func scores(of caption: String, by judge: any CaptionJudge) throws -> (detection: Double?, fuzzing: Double?)
  {
    func accuracy(_ pictures: Pictures?) throws -> Double? {
      guard let pictures else { return nil }
      let with = Set(pictures.indices.filter { pictures[$0].isWith })
      guard let said = try judge.fitting(caption, pictures.map(\.picture), count: with.count) else {
        return nil
      }
      let without = Set(pictures.indices).subtracting(with)
      let found = Double(said.intersection(with).count) / Double(with.count)
      return (found + Double(without.subtracting(said).count) / Double(without.count)) / 2
    }
    return (try accuracy(detection), try accuracy(fuzzing))
  }
}
