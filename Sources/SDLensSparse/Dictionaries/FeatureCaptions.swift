import Foundation
import SDLensCore

/// What features mean, in words: `captions.jsonl`, in each line a feature and its caption.
public enum FeatureCaptions {
  /// The name of the file in the folder of a dictionary.
  public static let fileName = "captions.jsonl"

  private struct Line: Encodable {
    let feature: Int
    let caption: String
  }

  /// Reads a file; of a feature that is there twice the last caption counts.
  ///
  /// - Throws: `FileError`, `MalformedFile` with the line.
  public static func read(_ path: String, features: Int) throws -> [Int: String] {
    var captions: [Int: String] = [:]
    for (index, line) in try TextFile(path).lines.enumerated() where !line.isBlank {
      guard case .object(let fields)? = try? JSONValue(parsing: String(line), as: .python),
        case .int(let feature)? = fields["feature"], 0..<features ~= feature,
        case .string(let caption)? = fields["caption"]
      else {
        throw MalformedFile(
          path: path,
          reason:
            "line \(index + 1) must be like {\"feature\": 12, \"caption\": \"a red circle\"}, with a feature from 0 to "
            + "\(features - 1)")
      }
      captions[feature] = caption
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
