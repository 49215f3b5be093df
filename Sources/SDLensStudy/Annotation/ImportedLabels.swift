import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Captions from a file that somebody else made: of `annotate --export` and filled in, or published labels.
///
/// A list in JSON, or JSON Lines; in each object the feature under `feature`, `id`, `index` or `feature_id`, what it means
/// under `caption`, `label` or `description`, and where they are there `category`, `confidence` (a text or a number) and `block`. An empty
/// caption is none. An object whose keys are the features and whose values are texts will do, too.
public struct ImportedLabels: Annotator {
  /// What the file is called, or what somebody calls it.
  public let source: String
  /// Nobody knows.
  public var model: String? { nil }
  /// It needs no pictures.
  public var plan: SheetPlan { SheetPlan() }
  private let labels: [BlockName: [Int: FeatureCaption]]

  /// Reads a file for the dictionaries of some blocks.
  ///
  /// - Parameter features: how many features the dictionary of each block has.
  /// - Throws: `FileError`, `MalformedFile` for what is no label, for a feature that a dictionary does not have or that
  ///   is labelled twice, and where nothing is left for any of the blocks.
  public init(contentsOf path: String, source: String, features: [BlockName: Int]) throws {
    self.source = source
    let only = features.count == 1 ? features.keys.first : nil
    var (labels, skipped): ([BlockName: [Int: FeatureCaption]], Set<String>) = ([:], [])
    for (place, value) in try Self.values(path) {
      func mistake(_ reason: String) -> MalformedFile {
        MalformedFile(path: path, reason: "\(place) \(reason)")
      }
      guard case .object(let all) = value else { throw mistake("is no label but \(value)") }
      let fields = all.filter { $0.value != .null }
      let names = Self.features.filter { fields[$0] != nil }
      guard let name = names.first, let feature = Self.number(fields[name]) else {
        throw mistake("names no feature; it must have a whole number under 'feature' or 'id'")
      }
      let texts = ["caption", "label", "description"].compactMap { name -> String? in
        if case .string(let text)? = fields[name] { text } else { nil }
      }
      guard let text = texts.first(where: { FeatureCaption.cleaned($0) != nil }) ?? texts.first else {
        throw mistake("has no text under 'caption' or 'label'")
      }
      var block = only
      if case .string(let given)? = fields["block"] {
        guard let named = try? BlockName(given) else { throw mistake("is of '\(given)', which is no block") }
        block = named
      }
      guard let block else {
        let blocks = features.keys.sorted().map(\.description).joined(separator: " and ")
        throw mistake(
          "does not tell its 'block', and there are dictionaries of \(blocks); choose one with --block")
      }
      guard let count = features[block] else {
        skipped.insert("\(block)")
        continue
      }
      guard 0..<count ~= feature else {
        throw mistake(
          "is of feature \(feature), but the dictionary of \(block) has the features 0 to \(count - 1): the labels are of "
            + "another dictionary; name theirs with --sae")
      }
      guard let caption = FeatureCaption.cleaned(text) else { continue }
      guard labels[block]?[feature] == nil else { throw mistake("is a second label of feature \(feature)") }
      var own = FeatureCaption(feature: feature, caption: caption, source: source, date: Today.text)
      own.category = Self.text(fields["category"])
      own.confidence = Self.text(fields["confidence"])
      labels[block, default: [:]][feature] = own
    }
    guard !labels.isEmpty else {
      throw MalformedFile(
        path: path,
        reason: skipped.isEmpty
          ? "has no label with words in it"
          : "has labels of \(skipped.sorted().joined(separator: " and ")), none of "
            + "\(features.keys.sorted().map(\.description).joined(separator: " or ")); choose others with --block"
      )
    }
    self.labels = labels
  }

  /// How many features of a block are labelled.
  public func count(of block: BlockName) -> Int { labels[block]?.count ?? 0 }

  /// The label.
  public func caption(of sheet: FeatureSheet) -> FeatureCaption? { labels[sheet.block]?[sheet.feature] }

  private static let features = ["feature", "id", "index", "feature_id"]

  /// The labels of a file, and where each stands.
  private static func values(_ path: String) throws -> [(place: String, value: JSONValue)] {
    let file = try TextFile(path)
    let first = file.text.first { !$0.isWhitespace }
    if first == "[" {
      guard case .array(let values) = try JSONValue(contentsOf: path, as: .python) else { return [] }
      return values.enumerated().map { ("entry \($0 + 1)", $1) }
    }
    if first == "{", case .object(let fields)? = try? JSONValue(parsing: file.text, as: .python) {
      guard Set(features).isDisjoint(with: fields.keys) else { return [("line 1", .object(fields))] }
      return fields.sorted { $0.key < $1.key }.map { key, value in
        ("'\(key)'", .object(["feature": .string(key), "label": value]))
      }
    }
    return try file.lines.enumerated().filter { !$0.element.isBlank }.map { index, line in
      guard let value = try? JSONValue(parsing: String(line), as: .python) else {
        throw MalformedFile(
          path: path,
          reason:
            "line \(index + 1) is not JSON; labels are a list in JSON, or an object in each line, as in "
            + "{\"id\": 12, \"label\": \"a red circle\"}")
      }
      return ("line \(index + 1)", value)
    }
  }

  private static func number(_ value: JSONValue?) -> Int? {
    switch value {
    case .int(let number)?: number
    case .string(let text)?: Int(text.trimmingCharacters(in: .whitespaces))
    default: nil
    }
  }

  private static func text(_ value: JSONValue?) -> String? {
    switch value {
    case .string(let text)?: FeatureCaption.cleaned(text)
    case .int(let number)?: "\(number)"
    case .double(let number)? where number.isFinite: "\(number)"
    default: nil
    }
  }
}

/// The day on which a caption is made.
enum Today {
  static let text: String = {
    let format = ISO8601DateFormatter()
    format.formatOptions = [.withFullDate]
    return format.string(from: Date())
  }()
}
