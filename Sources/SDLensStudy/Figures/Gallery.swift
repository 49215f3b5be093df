import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// A folder of cards, one for each feature of a dictionary, as a page that opens from disk.
///
/// `index.html` is the page; `features/<n>/` holds the pictures of a card and `card.json`, which says what they were
/// made of, so that a card is made again only when that changed. `card.json` is written last: what a stopped run
/// left half made is made again.
public struct Gallery {
  /// The block.
  public let block: BlockName
  /// Of the run on the empty prompt.
  public let settings: RunSettings
  /// Recorded pictures on each card.
  public var examples = 4
  /// Factors of modulation, of the strongest picture.
  public var betas = [-6.0, 6]
  /// Strengths on the empty prompt.
  public var gammas = [1.0]
  /// The width of the pictures, in pixels.
  public var cellWidth = 192

  let dictionary: DictionaryFolder
  private let recorded: RecordedScenes
  let renderer: FigureRenderer
  private let origin: String

  /// Cards that are made together, so that pictures which several of them show are made once.
  private static let atOnce = 16
  /// After so many cards the page is written, for those who do not wait for the end.
  private static let pageEvery = 32

  /// - Parameter model: the fingerprint of the model.
  /// - Throws: `NoExamples`.
  public init(_ block: BlockName, _ renderer: FigureRenderer, _ settings: RunSettings, model: String) throws {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    (self.block, self.renderer, self.settings) = (block, renderer, settings)
    self.dictionary = dictionary
    recorded = try RecordedScenes(dictionary)
    origin = "\(model) \(dictionary.autoencoder.contentFingerprint)"
  }

  /// A picture of a card.
  struct Item: Codable, Equatable {
    enum Kind: String, Codable { case example, overlay, modulated, alone }
    let kind: Kind
    /// In the folder of the card.
    let file: String
    /// `β` or `γ`.
    var strength: Double?
    var seed: Seed?
    var prompt: String?
  }

  /// What the pictures of a card were made of.
  private struct Made: Codable {
    let key: String
    let items: [Item]
    /// The upper end of the scale of its heat maps.
    let highest: String
  }

  /// A card, with the pictures that are there.
  struct Card {
    let feature: Int
    let items: [Item]
    let highest: String
  }

  /// The colours of its heat maps.
  var colors: ColorMap { renderer.heatMap.colors }

  /// How many cards were made and how many were there already.
  public struct Outcome: Sendable {
    /// Cards whose pictures were made.
    public var made = 0
    /// Cards whose pictures were there.
    public var kept = 0
  }

  /// Makes the cards of these features that are not there yet, and the page that shows all of them.
  ///
  /// - Parameter progress: called with the number of cards that were done.
  /// - Throws: `NoSuchFeature`, `FileError`, `EditError`, and as `FigureRenderer.render`.
  public func write(_ features: [Int], to folder: String, progress: (Int) -> Void = { _ in }) throws
    -> Outcome
  {
    let count = dictionary.autoencoder.features
    for feature in features where !(0..<count ~= feature) {
      throw NoSuchFeature(feature: feature, count: count, path: dictionary.path)
    }
    var outcome = Outcome()
    var cards: [Card] = []
    var isHeld = false
    try AtomicFolder.makeAll("\(folder)/features")
    for start in stride(from: 0, to: features.count, by: Self.atOnce) {
      let some = try features[start..<min(features.count, start + Self.atOnce)].map { feature in
        let contents = try contents(of: feature)
        return (feature, contents, key(feature, contents))
      }
      var done = some.map { made($0.0, key: $0.2, $0.1.map(\.item), in: folder) }
      let missing = some.indices.filter { done[$0] == nil }
      if !missing.isEmpty && !gammas.isEmpty && !isHeld {
        try renderer.run(Scene("", settings), watching: [block])
        isHeld = true
      }
      try renderer.prepare(missing.flatMap { some[$0].1.map(\.panel) })
      for index in missing {
        let (feature, contents, key) = some[index]
        done[index] = try make(contents, key, in: "\(folder)/features/\(feature)")
        progress(1)
      }
      progress(some.count - missing.count)
      outcome.made += missing.count
      outcome.kept += some.count - missing.count
      cards += zip(some, done).map { some, made in
        Card(feature: some.0, items: some.1.map(\.item), highest: made?.highest ?? "")
      }
      if !missing.isEmpty && cards.count % Self.pageEvery == 0 { try write(cards, to: folder) }
    }
    try write(cards, to: folder)
    return outcome
  }

  private func write(_ cards: [Card], to folder: String) throws {
    let page = Array(try GalleryPage(self, cards).html.utf8)
    try AtomicFile.write(to: "\(folder)/index.html", byteCount: page.count) { try $0.append(page) }
  }

  /// The features that can have pictures.
  public var alive: [Int] { recorded.alive }

  private typealias Contents = [(item: Item, panel: Panel)]

  /// What a card shows; nothing of a feature that was never active.
  private func contents(of feature: Int) throws -> Contents {
    let scenes: [Scene]
    do {
      scenes = try recorded.strongest(examples, of: feature)
    } catch is NeverActive {
      return []
    }
    var contents: Contents = []
    for (rank, scene) in scenes.enumerated() {
      let (seed, prompt) = (scene.settings.seed, scene.prompt)
      contents += [
        (Item(kind: .example, file: "example-\(rank).png", seed: seed, prompt: prompt), Panel(scene)),
        (
          Item(kind: .overlay, file: "overlay-\(rank).png"),
          Panel(scene, look: .overlay(block, feature: feature))
        ),
      ]
    }
    for (index, beta) in betas.enumerated() {
      let edit = Edit(.modulate(feature: feature, beta: beta), at: block)
      contents.append(
        (Item(kind: .modulated, file: "beta-\(index).png", strength: beta), Panel(scenes[0], [edit])))
    }
    for (index, gamma) in gammas.enumerated() {
      let edit = Edit(.emptyContext(feature: feature, gamma: gamma), at: block)
      contents.append(
        (Item(kind: .alone, file: "gamma-\(index).png", strength: gamma), Panel(Scene("", settings), [edit])))
    }
    return contents
  }

  /// Changes with everything that decides the pictures.
  private func key(_ feature: Int, _ contents: Contents) -> String {
    var key = Fingerprint()
    let mean = dictionary.means.map { "\($0[feature])" } ?? ""
    key.add("card 2 \(origin) \(block) \(feature) \(mean) \(cellWidth) \(renderer.heatMap)\n".utf8)
    for (item, panel) in contents { key.add("\(item.file) \(panel)\n".utf8) }
    return key.description
  }

  /// What is there of a card, if that is all of it.
  private func made(_ feature: Int, key: String, _ items: [Item], in folder: String) -> Made? {
    let folder = "\(folder)/features/\(feature)"
    guard let made = try? JSON.read(Made.self, from: "\(folder)/card.json"), made.key == key,
      items.allSatisfy({ FileManager.default.fileExists(atPath: "\(folder)/\($0.file)") })
    else { return nil }
    return made
  }

  private func make(_ contents: Contents, _ key: String, in folder: String) throws -> Made {
    let card = "\(folder)/card.json"
    try AtomicFolder.makeAll(folder)
    if FileManager.default.fileExists(atPath: card) { try FileManager.default.removeItem(atPath: card) }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".png") }
    for name in Set(names).subtracting(contents.map(\.item.file)) {
      try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
    let drawings = try renderer.render(contents.map(\.panel))
    for ((item, _), drawing) in zip(contents, drawings) {
      guard let picture = drawing?.picture else { continue }
      let small = try item.kind == .overlay ? picture : picture.shrunk(to: cellWidth)
      try PNG.write(small, to: "\(folder)/\(item.file)")
    }
    let highest = drawings.compactMap { $0?.scale?.high }.first ?? ""
    let made = Made(key: key, items: contents.map(\.item), highest: highest)
    try JSON.write(made, to: card)
    return made
  }
}

extension Picture {
  /// At most so many pixels wide, in the same shape.
  fileprivate func shrunk(to width: Int) throws -> Picture {
    guard self.width > width else { return self }
    let height = max(1, (self.height * width + self.width / 2) / self.width)
    return try Canvas.picture(Size(Double(width), Double(height))) { $0.draw(self, in: $0.box) }
  }
}
