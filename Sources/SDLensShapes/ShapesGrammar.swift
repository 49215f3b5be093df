import SDLensCore

/// The captions of the world of `shapes`: from scenes to sentences and back.
///
///     caption  = "" | "an empty" background "background" | object ["and" object] [", on a" background "background"]
///     object   = article [size] [colour] [texture] shape [place]
///     place    = "on the left" | "on the right" | "at the top" | "at the bottom" | "in the centre"
public enum ShapesGrammar {
  /// All words that a caption may hold.
  public static let words: Set<String> = {
    let values = ShapesWorld.Factor.allCases.filter { $0 != .place }.flatMap(\.values)
    let phrases = ShapesWorld.Place.allCases.flatMap { $0.phrase.split(separator: " ").map(String.init) }
    return Set(values + phrases + ["a", "an", "and", "empty", "background"])
  }()

  /// The sentence for a scene; the empty string for the blank one.
  public static func caption(_ scene: ShapesScene) -> String {
    guard !scene.isBlank else { return "" }
    let background = scene.background.map { "\($0.rawValue) background" }
    guard !scene.objects.isEmpty else { return "an empty \(background ?? "gray background")" }
    let objects = scene.objects.map(phrase).joined(separator: " and ")
    return objects + (background.map { ", on \(article($0))" } ?? "")
  }

  private static func phrase(_ object: ShapesScene.Object) -> String {
    let words = [
      object.size?.rawValue, object.colour?.rawValue, object.texture?.rawValue, object.shape.rawValue,
    ]
    return article(words.compactMap(\.self).joined(separator: " "))
      + (object.place.map { " " + $0.phrase } ?? "")
  }

  private static func article(_ words: String) -> String {
    ("aeiou".contains(words.first ?? "x") ? "an " : "a ") + words
  }

  /// What the world understands of a text.
  public struct Reading: Sendable, Equatable {
    /// The objects and the background that were recognised.
    public let scene: ShapesScene
    /// The words that no caption holds, each once, in lower case, in the order of the text.
    public let unknown: [String]
    /// Whether the text is the caption of `scene`, up to case, spaces and punctuation; a text that is none is
    /// read as far as it goes.
    public let isCaption: Bool
  }

  /// Reads a text: exactly if it is a caption, else as far as its words are known.
  ///
  /// A shape's name makes an object of the values that were named since the last one; a place belongs to the
  /// object before it, or to the next where none was named yet. What does not fit, as a third object, is left.
  public static func read(_ text: String) -> Reading {
    let words = text.lowercased().split { $0.isWhitespace || $0.isPunctuation || $0.isMathSymbol }.map(
      String.init)
    var (objects, background) = ([ShapesScene.Object](), ShapesWorld.Background?.none)
    var next = ShapesScene.Object(.circle)
    for (index, word) in words.enumerated() {
      if let shape = ShapesWorld.Form(rawValue: word) {
        next.shape = shape
        objects.append(next)
        next = ShapesScene.Object(.circle)
      } else if let place = ShapesWorld.Place(rawValue: word) {
        if objects.last.map({ $0.place == nil }) == true {
          objects[objects.count - 1].place = place
        } else {
          next.place = place
        }
      } else if index + 1 < words.count, words[index + 1] == "background",
        let colour = ShapesWorld.Background(rawValue: word)
      {
        background = colour
      } else {
        next.size = ShapesWorld.Size(rawValue: word) ?? next.size
        next.colour = ShapesWorld.Colour(rawValue: word) ?? next.colour
        next.texture = ShapesWorld.Texture(rawValue: word) ?? next.texture
      }
    }
    let isEmpty = objects.isEmpty && background == nil
    let scene = isEmpty ? .blank : ShapesScene(Array(objects.prefix(2)), background: background)
    var seen = Self.words
    return Reading(
      scene: scene, unknown: words.filter { seen.insert($0).inserted },
      isCaption: words == caption(scene).split { $0 == " " || $0 == "," }.map(String.init))
  }

  /// The word of the world that is meant by a misspelt or foreign one, if one is near: at most a third of its
  /// letters are others, missing or too many.
  public static func suggestion(for word: String) -> String? {
    Spelling.nearest(to: word, among: words.filter { $0.count > 2 })
  }
}
