import Foundation

/// The JSON of a safetensors header as it was written, not yet believed.
struct SafetensorsFields: Decodable {
  var metadata: [String: String] = [:]
  var tensors: [String: Field] = [:]

  /// What the header says of one tensor.
  struct Field: Decodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
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
        metadata = try object.decode([String: String].self, forKey: name)
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
    guard shape.allSatisfy({ $0 >= 0 }) else { throw Problem.badShape(name: name, shape) }
    guard data_offsets.count == 2, data_offsets[0] >= 0, data_offsets[0] <= data_offsets[1] else {
      throw Problem.badOffsets(name: name, data_offsets)
    }
    var needed = type.size
    for extent in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw Problem.badShape(name: name, shape) }
      needed = product
    }
    let found = data_offsets[1] - data_offsets[0]
    guard found == needed else {
      throw Problem.wrongSize(name: name, type: type, shape: shape, found: found, needed: needed)
    }
    return .init(name: name, type: type, shape: Shape(shape), start: data_offsets[0], end: data_offsets[1])
  }
}

extension DecodingError {
  /// Where the JSON is not what it should be and why, in one line.
  var reason: String {
    switch self {
    case .keyNotFound(let key, let context): "\(place(context)) has no '\(key.stringValue)'"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      "\(place(context)): \(detail(context))"
    @unknown default: "\(self)"
    }
  }

  private func place(_ context: Context) -> String {
    guard !context.codingPath.isEmpty else { return "the text" }
    return context.codingPath.map { key in key.intValue.map { "[\($0)]" } ?? "'\(key.stringValue)'" }
      .joined(separator: " ")
  }

  private func detail(_ context: Context) -> String {
    guard let error = context.underlyingError as NSError? else { return context.debugDescription }
    return error.userInfo[NSDebugDescriptionErrorKey] as? String ?? context.debugDescription
  }
}
