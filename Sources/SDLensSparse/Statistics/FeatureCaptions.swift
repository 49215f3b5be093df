import Foundation
import SDLensCore

/// What features mean, in words: `captions.jsonl`, in each line a feature and its caption.
public enum FeatureCaptions {
  /// The name of the file in the folder of a dictionary.
  public static let fileName = "captions.jsonl"

  private struct Line: Codable {
    let feature: Int
    let caption: String
  }

  /// Reads a file; of a feature that is there twice the last caption counts.
  ///
  /// - Throws: `FileError`, `MalformedFile` with the line.
  public static func read(_ path: String, features: Int) throws -> [Int: String] {
    guard let text = try MappedFile(path: path).text else {
      throw MalformedFile(path: path, reason: "is not UTF-8 text")
    }
    var captions: [Int: String] = [:]
    for (index, line) in text.split(whereSeparator: \.isNewline).enumerated() {
      guard let line = try? JSON.decode(Line.self, from: Data(line.utf8)), 0..<features ~= line.feature else {
        throw MalformedFile(
          path: path,
          reason:
            "line \(index + 1) must be like {\"feature\": 12, \"caption\": \"a red circle\"}, with a feature from 0 to "
            + "\(features - 1)")
      }
      captions[line.feature] = line.caption
    }
    return captions
  }

  /// Writes a file, whole or not at all, features in order.
  public static func write(_ captions: [Int: String], to path: String) throws {
    var text: [UInt8] = []
    for feature in captions.keys.sorted() {
      text += try JSON.line(Line(feature: feature, caption: captions[feature]!)) + [UInt8(ascii: "\n")]
    }
    try AtomicFile.write(to: path) { try $0.append(text) }
  }
}
