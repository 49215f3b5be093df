import Foundation

/// The JSON of a safetensors header as it was written, not yet believed.
struct SafetensorsFields: Decodable {
  var metadata: [String: String] = [:]
  var tensors: [String: Field] = [:]

  /// What the header says of one tensor.
  struct Field: Decodable {
    let dtype: String
    let shape: [WholeNumber]
    let data_offsets: [WholeNumber]
  }

  /// What it says, when that makes sense in itself.
  struct CheckedField {
    let name: String
    let type: ElementType
    let shape: Shape
    let start: Int
    let end: Int
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    let object = try decoder.container(keyedBy: Name.self)
    for name in object.allKeys {
      if name.stringValue == "__metadata__" {
        metadata = try object.decodeIfPresent([String: String].self, forKey: name) ?? [:]
      } else {
        tensors[name.stringValue] = try object.decode(Field.self, forKey: name)
      }
    }
  }
}

extension SafetensorsFields.Field {
  /// Checks everything that can be checked without the other tensors and the file.
  func checked(name: String) throws -> SafetensorsFields.CheckedField {
    typealias Problem = SafetensorsError.Problem
    guard let type = ElementType(rawValue: dtype) else { throw Problem.unknownType(name: name, dtype) }
    let (shape, offsets) = (shape.map(\.value), data_offsets.map(\.value))
    guard shape.allSatisfy({ $0 >= 0 }) else { throw Problem.badShape(name: name, shape) }
    guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1] else {
      throw Problem.badOffsets(name: name, offsets)
    }
    var needed = type.size
    for extent in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw Problem.badShape(name: name, shape) }
      needed = product
    }
    let found = offsets[1] - offsets[0]
    guard found == needed else {
      throw Problem.wrongSize(name: name, type: type, shape: shape, found: found, needed: needed)
    }
    return .init(name: name, type: type, shape: Shape(shape), start: offsets[0], end: offsets[1])
  }
}
