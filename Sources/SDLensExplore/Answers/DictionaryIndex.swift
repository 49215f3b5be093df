import SDLensCore
import SDLensSparse
import SDLensStudy
import Synchronization

/// What a dictionary's recorded pictures tell of its features, made ready for questions.
final class DictionaryIndex: Sendable {
  let folder: DictionaryFolder
  /// What edits need of it.
  let edited: BlockDictionary
  /// All that is said of its features, as last read or written.
  let captions: Mutex<FeatureCaptions>
  private let top = Mutex<[[Int]]?>(nil)
  private let texts = Mutex<[(picture: Int, text: String)]?>(nil)

  /// A feature is known by so many of its strongest pictures.
  static let strongest = 20

  init(_ folder: DictionaryFolder) {
    (self.folder, edited) = (folder, BlockDictionary(folder))
    captions = Mutex(folder.allCaptions)
  }

  /// Of each feature the caption that counts.
  var preferred: [Int: String] { captions.withLock(\.preferred) }

  /// The recorded prompts, by the number of their picture.
  var prompts: [(picture: Int, text: String)] {
    texts.withLock { texts in
      if let texts { return texts }
      let made = (folder.pictures?.prompts ?? [:]).sorted { $0.key < $1.key }.map { (picture: $0, text: $1) }
      texts = made
      return made
    }
  }

  /// The strongest pictures of every feature.
  private var topPictures: [[Int]] {
    top.withLock { top in
      if let top { return top }
      let made = folder.examples.map { examples in
        (0..<examples.features).map { examples[$0].prefix(Self.strongest).map(\.picture) }
      }
      top = made ?? []
      return made ?? []
    }
  }

  /// The features whose strongest pictures have all of these words in their prompts, more often than others have.
  func features(withWords words: [String]) -> [(feature: Int, share: Double, everywhere: Double)] {
    guard !words.isEmpty else { return [] }
    let matching = Set(
      prompts.lazy.filter { prompt in
        let text = prompt.text.lowercased()
        return words.allSatisfy { text.hasWord(beginningWith: $0) }
      }.map(\.picture))
    guard !matching.isEmpty else { return [] }
    let everywhere = Double(matching.count) / Double(prompts.count)
    let found = topPictures.enumerated().compactMap { feature, pictures -> (Int, Double, Double)? in
      guard pictures.count >= Self.strongest / 2 else { return nil }
      let share = Double(pictures.count { matching.contains($0) }) / Double(pictures.count)
      return share >= 0.5 && share > everywhere ? (feature, share, everywhere) : nil
    }
    return found.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
  }

  /// The words that a feature's strongest pictures have in their prompts more often than all.
  func words(of feature: Int, _ count: Int) -> [Answer.Feature.Word] {
    guard let pictures = folder.pictures, topPictures.indices.contains(feature) else { return [] }
    func words(_ text: String) -> Set<Substring> {
      Set(text.lowercased().split { !$0.isLetter && !$0.isNumber })
    }
    let own = topPictures[feature].compactMap { pictures.prompts[$0].map(words) }
    var counts: [Substring: Int] = [:]
    for words in own { for word in words { counts[word, default: 0] += 1 } }
    let common = counts.filter { $0.value * 2 >= own.count }
    let all = prompts.prefix(2000).map { words($0.text) }
    return common.map { word, count in
      Answer.Feature.Word(
        word: String(word), share: Double(count) / Double(own.count),
        everywhere: Double(all.count { $0.contains(word) }) / Double(max(1, all.count)))
    }.filter { $0.share > $0.everywhere }
      .sorted { ($1.share - $1.everywhere, $0.word) < ($0.share - $0.everywhere, $1.word) }
      .prefix(count).map(\.self)
  }

  /// The direction of a feature, [1, width].
  func direction(of feature: Int) -> Tensor { folder.autoencoder.decoder.rows(feature..<feature + 1) }

  /// The features whose directions are most like that of a feature, by their cosine.
  func neighbours(of feature: Int, _ count: Int) -> [(feature: Int, likeness: Double)] {
    Array(likest(direction(of: feature), count + 1).filter { $0.feature != feature }.prefix(count))
  }

  /// The features whose directions are most like one, by their cosine; none where it is of vectors of another width.
  func likest(_ direction: Tensor, _ count: Int) -> [(feature: Int, likeness: Double)] {
    let decoder = folder.autoencoder.decoder
    guard decoder.width == direction.width else { return [] }
    let cosines = UnitVectors(decoder).cosines(with: UnitVectors(direction)).elements
    return cosines.indices.sorted { (cosines[$1], $0) < (cosines[$0], $1) }.prefix(count).map {
      ($0, cosines[$0])
    }
  }

  /// The features that are active in the same pictures, by how much of the pictures of either are pictures of both.
  func together(with pictures: Set<Int>, _ count: Int) -> [(feature: Int, likeness: Double)] {
    guard let examples = folder.examples, !pictures.isEmpty else { return [] }
    let found = Parallel.map(examples.features) { other -> Double in
      let own = examples.count(of: other)
      // At most the smaller of the two can be shared.
      guard own > 0 else { return 0 }
      let both = examples[other].count { pictures.contains($0.picture) }
      return Double(both) / Double(own + pictures.count - both)
    }
    return found.indices.sorted { (found[$1], $0) < (found[$0], $1) }.prefix(count)
      .filter { found[$0] > 0 }.map { ($0, found[$0]) }
  }
}

extension String {
  /// Whether a word of a text begins with these letters, both in lower case; the gallery's search is the same.
  func hasWord(beginningWith letters: String) -> Bool {
    ranges(of: letters).contains { found in
      guard found.lowerBound > startIndex else { return true }
      let before = self[index(before: found.lowerBound)]
      return !before.isLetter && !before.isNumber
    }
  }
}
