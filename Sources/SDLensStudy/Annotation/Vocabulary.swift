import Foundation
import SDLensCore
import SDLensShapes

/// Phrases that features may be named by.
public struct Vocabulary: Sendable {
  /// A phrase, and the texts that CLIP reads in its stead: their mean direction stands for it.
  public struct Entry: Sendable, Equatable {
    /// The phrase.
    public let caption: String
    /// What CLIP reads.
    public let texts: [String]
  }

  /// The phrases.
  public let entries: [Entry]
  private let places: [String: Int]

  private init(_ entries: [Entry]) {
    self.entries = entries
    places = Dictionary(entries.enumerated().map { ($1.caption, $0) }) { first, _ in first }
  }

  /// No phrases: captions stand for themselves.
  public static let none = Vocabulary([])

  /// The phrases of a file, one in each line; blank lines and what was there before are passed over.
  ///
  /// - Throws: `FileError`, `MalformedFile` when there is none.
  public init(contentsOf path: String) throws {
    var seen: Set<String> = []
    let phrases = try TextFile(path).lines.map { $0.trimmingCharacters(in: .whitespaces) }.filter {
      !$0.isEmpty && seen.insert($0).inserted
    }
    guard !phrases.isEmpty else {
      throw MalformedFile(path: path, reason: "holds no phrase; write one in each line")
    }
    self.init(phrases.map { Entry(caption: $0, texts: [$0]) })
  }

  /// Names of one or two values of the factors of `shapes`, as in `red shape`, `striped circle on the left`, `navy
  /// background`. CLIP reads all sentences of the grammar that have these values and at most one more: what they say
  /// besides averages out.
  public static let shapes: Vocabulary = {
    typealias World = ShapesWorld
    let sentences = Vocabulary.sentences
    let objects = World.FactorValue.all.filter { $0.factor != .background }
    var wanted: [Set<World.FactorValue>] = World.FactorValue.all.map { [$0] }
    for (index, first) in objects.enumerated() {
      wanted += objects[(index + 1)...].filter { $0.factor != first.factor }.map { [first, $0] }
    }
    return Vocabulary(
      wanted.map { values in
        Entry(caption: phrase(values), texts: sentences.filter { values.isSubset(of: $0.values) }.map(\.text))
      })
  }()

  /// Sentences of the grammar of one object with at most two properties, and of each shape on each background.
  private static var sentences: [(text: String, values: Set<ShapesWorld.FactorValue>)] {
    let scenes =
      ShapesPhrases.all.map { ShapesGrammar.read($0).scene }
      + ShapesWorld.Form.allCases.flatMap { shape in
        ShapesWorld.Background.allCases.map { ShapesScene([.init(shape)], background: $0) }
      }
    return scenes.map { scene in
      let text = ShapesGrammar.caption(scene)
      return (text, Set(ShapesCaption.values(in: text)))
    }
  }

  /// The words for some values.
  private static func phrase(_ values: Set<ShapesWorld.FactorValue>) -> String {
    func word(_ factor: ShapesWorld.Factor) -> String? { values.first { $0.factor == factor }?.value }
    if let background = word(.background) { return "\(background) background" }
    let place = word(.place).flatMap { ShapesWorld.Place(rawValue: $0) }
    return [word(.size), word(.colour), word(.texture), word(.shape) ?? "shape", place?.phrase].compactMap(
      \.self
    )
    .joined(separator: " ")
  }

  /// What CLIP reads in the stead of a caption: itself, where it is no phrase of this vocabulary.
  public func texts(for caption: String) -> [String] {
    places[caption].map { entries[$0].texts } ?? [caption]
  }

  /// A number that changes with the phrases and their texts.
  public var fingerprint: String {
    var fingerprint = Fingerprint()
    for entry in entries { fingerprint.add("\(entry.caption)\n\(entry.texts)\n".utf8) }
    return fingerprint.description
  }
}

/// What captions say of the world of `shapes`.
public enum ShapesCaption {
  /// The values that a text names, each once, in its order: by its words, whatever stands around them.
  public static func values(in text: String) -> [ShapesWorld.FactorValue] {
    let words = text.lowercased().split { !$0.isLetter }.map { spellings["\($0)"] ?? "\($0)" }
    var found: [ShapesWorld.FactorValue] = []
    for value in words.compactMap({ byWord[$0] }) where !found.contains(value) { found.append(value) }
    return found
  }

  /// No word stands for two values.
  private static let byWord = Dictionary(
    uniqueKeysWithValues: ShapesWorld.FactorValue.all.map { ($0.value, $0) })
  private static let spellings = [
    "grey": "gray", "center": "centre", "circles": "circle", "squares": "square", "triangles": "triangle",
    "stars": "star", "rings": "ring", "crosses": "cross", "stripes": "striped", "dots": "dotted",
    "checked": "checkered", "checks": "checkered",
  ]
}
