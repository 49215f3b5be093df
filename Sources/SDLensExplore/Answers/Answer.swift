import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
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
      /// Those that can be chosen; the first is taken unless another is.
      let dictionaries: [String]
    }
    struct Model: Encodable {
      let name: String
      let fingerprint: String
      let pictureSize: Int
      let tokens: Int
    }
    /// A model that can be chosen, and where its page lies; nil of the model that is asked.
    struct Choice: Encodable {
      let name: String
      let path: String?
    }
    let version: String
    let model: Model
    let models: [Choice]
    let blocks: [Block]
    let examples: [String]
    let isReadOnly: Bool
    /// What decodes drafts, where they can be asked for.
    let draftDecoder: String?
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
    /// Words of the prompt as maps know them, and how many tokens each has; none where the tokenizers differ.
    let words: [Word]
    let dictionaries: [String: DictionaryIdentity]
    let codes: [Codes]
    let features: [ActiveFeature]
    let seconds: Double

    struct Word: Encodable {
      let word: String
      let tokens: Int
    }
  }

  /// Where words act, as `sdlens visualize words` reports it, with the maps.
  struct Words: Encodable {
    struct Map: Encodable {
      let word: String
      let tokens: [Int]
      let of: String?
      let mean: Float
      let lowest: Float
      let highest: Float
      let place: [Int]
      let size: [Int]
      /// Row by row, floats of 32 bits in base64.
      let values: String

      init(_ finding: WordMaps.Finding, _ map: Tensor) {
        (word, tokens, of, mean) = (finding.word, finding.tokens, finding.of, finding.mean)
        (lowest, highest, place, size) = (finding.lowest, finding.highest, finding.place, finding.size)
        values = map.elements.base64 { $0.bitPattern }
      }
    }
    let prompt: String
    let seed: Seed
    let words: [PromptTokens.Word]
    let removed: String?
    let along: AttentionChoice.Axis?
    let maps: [Map]
    let seconds: Double
  }

  /// Where a word acts, as an edit takes it.
  struct Mask: Encodable {
    let block: String
    let word: String
    let threshold: Double
    let mask: SDLensStudy.Mask
  }

  /// Of each feature of one dictionary the likest of another.
  struct Match: Encodable {
    let block: String
    let dictionary: DictionaryIdentity
    let other: DictionaryIdentity
    let nearest: [Int]
    let cosines: [Double]
    /// Whether each is the likest of its likest.
    let mutual: [Bool]
    let meanMatchedCosine: Double
    let mutualShare: Double
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
    /// Whether the decoder of drafts has made it.
    let isDraft: Bool
    /// The share of the run's parts (what ends before each block, and the rest) that the edits made anew.
    let anew: Double
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
      /// Where it is not of the dictionary that was asked for.
      var dictionary: String?
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
    /// All that is said of it, what counts first.
    let captions: [FeatureCaption]
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
    /// Of each other dictionary of the block what points in the likest direction.
    let elsewhere: [Other]
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
    let captions: [FeatureCaption]
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
