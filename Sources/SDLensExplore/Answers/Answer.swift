import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// What is answered, as JSON with keys in snake case.
enum Answer {
  static func bytes(_ value: any Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  struct Failure: Encodable { let error: String }

  struct Progress: Encodable {
    let stage: String
    let share: Double
  }

  struct Info: Encodable {
    struct Block: Encodable {
      let block: String
      let mapHeight: Int
      let mapWidth: Int
      let dictionary: DictionaryIdentity?
      let features: Int?
      let activePerPlace: Double?
    }
    struct Model: Encodable {
      let name: String
      let fingerprint: String
      let pictureSize: Int
      let tokens: Int
    }
    let version: String
    let model: Model
    let blocks: [Block]
    let examples: [String]
    let isReadOnly: Bool
    let hint: String?
  }

  /// What is known of every feature of a dictionary; null where nothing is.
  struct Dictionary: Encodable {
    let block: String
    let dictionary: DictionaryIdentity
    let features: Int
    let mean: [Float?]
    let maximum: [Float?]
    let density: [Float?]
    let captions: [String: String]
    let canCaption: Bool
  }

  /// The features that are active at each place of a map; little-endian numbers in base64.
  struct Codes: Encodable {
    let block: String
    let height: Int
    let width: Int
    /// For each place how many, 16 bits.
    let counts: String
    /// Of each, 32 bits.
    let features: String
    /// Of each, floats of 32 bits.
    let values: String
  }

  struct Features: Encodable {
    let prompt: String
    let seed: Seed
    let step: Int
    let notes: [String]
    let dictionaries: [String: DictionaryIdentity]
    let codes: [Codes]
    let features: [ActiveFeature]
    let seconds: Double
  }

  struct Picture: Encodable {
    struct Seconds: Encodable {
      /// Of the run without edits; 0 where it was remembered.
      let base: Double
      /// Of what the edits made anew.
      let edited: Double
      let decode: Double
      let encode: Double
    }
    let prompt: String
    let seed: Seed
    let width: Int
    let height: Int
    let edits: EditList?
    /// What writes the same bytes.
    let command: String
    /// A PNG file in base64.
    let png: String
    let seconds: Seconds
  }

  struct Feature: Encodable {
    struct Example: Encodable {
      let picture: Int
      let prompt: String
      let seed: Seed?
      let strength: Double
      /// The share of the pictures with the feature in which it is stronger.
      let rank: Double
      let map: String?
    }
    struct Other: Encodable {
      let block: String
      let feature: Int
      let likeness: Double
      let caption: String?
    }
    struct Word: Encodable {
      let word: String
      let share: Double
      let everywhere: Double
    }
    let block: String
    let feature: Int
    let caption: String?
    let mean: Double?
    let deviation: Double?
    let maximum: Double?
    let density: Double?
    let quantiles: [Double]
    let pictures: Int
    let recorded: Int
    let mapHeight: Int?
    let mapWidth: Int?
    /// How the recorded pictures were made.
    let steps: Int?
    let guidance: Double?
    let height: Int?
    let width: Int?
    let examples: [Example]
    let words: [Word]
    let neighbours: [Other]
    let together: [Other]
    let counterparts: [Other]
  }

  struct Search: Encodable {
    struct Found: Encodable {
      let block: String
      let feature: Int
      let caption: String?
      let reason: String
      let score: Double
    }
    let query: String
    let found: [Found]
  }

  struct Caption: Encodable {
    let block: String
    let feature: Int
    let caption: String?
  }
}

extension Array {
  /// The numbers as little-endian bytes in base64.
  func base64<Number>(_ number: (Element) -> Number) -> String where Number: FixedWidthInteger {
    var data = Data(capacity: count * MemoryLayout<Number>.size)
    for element in self {
      Swift.withUnsafeBytes(of: number(element).littleEndian) { data.append(contentsOf: $0) }
    }
    return data.base64EncodedString()
  }
}
