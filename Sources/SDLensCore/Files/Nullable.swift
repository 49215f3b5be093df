/// A value that stands as null in JSON where there is none: not measured, or undefined.
@propertyWrapper public struct Nullable<Value: Encodable>: Encodable {
  /// The value.
  public var wrappedValue: Value?

  /// A value, or none.
  public init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

  /// Encodes the value, or null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try wrappedValue.map { try container.encode($0) } ?? container.encodeNil()
  }
}

extension Nullable: Decodable where Value: Decodable {
  /// Reads the value, or null.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
  }
}
