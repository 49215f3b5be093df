import Foundation
import SDLensCore

/// What somebody says that a feature means.
public struct FeatureCaption: Sendable, Codable, Equatable {
  /// The feature.
  public let feature: Int
  /// What it means, in words.
  public var caption: String
  /// Who says so, as in `clip`, `endpoint`, or the name of a file of labels; nil for what people wrote by hand.
  public var source: String?
  /// With which model.
  public var model: String?
  /// When, as in `2026-11-28`.
  public var date: String?
  /// What kind of thing it is, where the source tells.
  public var category: String?
  /// How sure the source is, in its own words.
  public var confidence: String?
  /// How well the caption fits, by the name of the score.
  public var scores: [String: Double]?

  /// A caption of which not more is known.
  public init(feature: Int, caption: String, source: String? = nil, model: String? = nil, date: String? = nil)
  {
    (self.feature, self.caption, self.source) = (feature, caption, source)
    (self.model, self.date) = (model, date)
  }

  /// The longest caption that is kept of another program's, in characters.
  public static let longest = 200

  /// What another program says as a caption: in one line, without control characters, cut where it is too long; nil
  /// where nothing is left.
  public static func cleaned(_ text: String) -> String? {
    let visible = String(
      text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    let words = visible.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    guard !words.isEmpty else { return nil }
    return words.count > longest ? words.prefix(longest - 1) + "…" : words
  }
}

/// What features mean, in words: `captions.jsonl`, in each line what one source says of one feature.
public struct FeatureCaptions: Sendable {
  /// The name of the file in the folder of a dictionary.
  public static let fileName = "captions.jsonl"

  /// All that is said, in the order of the file; of a feature one for each source.
  public private(set) var all: [FeatureCaption]

  /// Some captions; of one source's for a feature the last counts.
  public init(_ captions: [FeatureCaption] = []) {
    var places: [String: Int] = [:]
    for (place, caption) in captions.enumerated() { places[Self.key(caption)] = place }
    all = places.values.sorted().map { captions[$0] }
  }

  /// Reads a file.
  ///
  /// - Throws: `FileError`, `MalformedFile` with the line.
  public init(contentsOf path: String, features: Int) throws {
    self.init(
      try TextFile(path).lines.enumerated().filter { !$0.element.isBlank }.map { index, line in
        try Self.caption(String(line), path, index + 1, features)
      })
  }

  /// Reads several files, those that are there: of what one source says of a feature the last counts.
  ///
  /// - Throws: as for one.
  public init(contentsOf paths: [String], features: Int) throws {
    self.init(
      try paths.filter(FileManager.default.fileExists).flatMap {
        try FeatureCaptions(contentsOf: $0, features: features).all
      })
  }

  /// All that is said of a feature, the one that counts first: what people wrote, else what was said last.
  public subscript(feature: Int) -> [FeatureCaption] {
    let own = all.filter { $0.feature == feature }
    return own.filter { $0.source == nil } + own.filter { $0.source != nil }.reversed()
  }

  /// For each feature the caption that counts.
  public var preferred: [Int: String] {
    var found: [Int: FeatureCaption] = [:]
    for caption in all where found[caption.feature].map({ $0.source != nil }) ?? true || caption.source == nil
    {
      found[caption.feature] = caption
    }
    return found.mapValues(\.caption)
  }

  /// Writes a file, whole or not at all, features in order; without captions there is none.
  public func write(to path: String) throws {
    guard !all.isEmpty else {
      if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
      return
    }
    let lines = try all.sorted { $0.feature < $1.feature }.map(JSON.line)
    try AtomicFile.write(to: path) { for line in lines { try $0.append(line + [UInt8(ascii: "\n")]) } }
  }

  /// Puts captions into a file, which is made if it is not there: behind all others, in the place of what the same
  /// source said of the same feature. Other lines stay as they are.
  ///
  /// - Throws: as `init(contentsOf:features:)`, and `FileError` when it cannot be written.
  public static func put(_ captions: [FeatureCaption], into path: String, features: Int) throws {
    let replaced = Set(captions.map(key))
    try AtomicFolder.makeAll(above: path)
    try FolderTurn.take(in: path.folderOfPath) {
      let old = FileManager.default.fileExists(atPath: path) ? try TextFile(path).lines : []
      let kept = try old.enumerated().filter { index, line in
        try line.isBlank || !replaced.contains(key(caption(String(line), path, index + 1, features)))
      }
      try AtomicFile.write(to: path) { file in
        for (_, line) in kept { try file.append(Array("\(line)\n".utf8)) }
        for caption in captions { try file.append(JSON.line(caption) + [UInt8(ascii: "\n")]) }
      }
    }
  }

  private static func key(_ caption: FeatureCaption) -> String {
    "\(caption.feature) \(caption.source ?? "")"
  }

  private static func caption(_ line: String, _ path: String, _ number: Int, _ features: Int) throws
    -> FeatureCaption
  {
    func mistake(_ needed: String) -> MalformedFile {
      MalformedFile(path: path, reason: "line \(number) must be like \(needed)")
    }
    guard case .object(let fields)? = try? JSONValue(parsing: line, as: .python),
      case .int(let feature)? = fields["feature"], 0..<features ~= feature,
      case .string(let caption)? = fields["caption"]
    else {
      throw mistake(
        "{\"feature\": 12, \"caption\": \"a red circle\"}, with a feature from 0 to \(features - 1)")
    }
    var found = FeatureCaption(feature: feature, caption: caption)
    for (name, place) in [
      ("source", \FeatureCaption.source), ("model", \.model), ("date", \.date), ("category", \.category),
      ("confidence", \.confidence),
    ] as [(String, WritableKeyPath<FeatureCaption, String?>)] {
      switch fields[name] {
      case nil, .null?: break
      case .string(let text)?: found[keyPath: place] = text
      default: throw mistake("{…, \"\(name)\": \"…\"}, with a text for '\(name)'")
      }
    }
    switch fields["scores"] {
    case nil, .null?: break
    case .object(let scores)?:
      found.scores = try scores.mapValues { score in
        guard let value = score.number else {
          throw mistake("{…, \"scores\": {\"detection\": 0.9}}, with numbers for 'scores'")
        }
        return value
      }
    default: throw mistake("{…, \"scores\": {\"detection\": 0.9}}, with numbers for 'scores'")
    }
    return found
  }
}
