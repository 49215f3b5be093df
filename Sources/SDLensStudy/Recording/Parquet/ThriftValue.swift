/// A value in Apache Thrift's compact protocol, in which Parquet describes itself.
///
/// Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
indirect enum ThriftValue {
  case flag(Bool)
  case number(Int)
  case bytes(ArraySlice<UInt8>)
  case list([ThriftValue])
  case fields([Int: ThriftValue])
  /// A map or a fraction, which nobody asks for.
  case other

  private enum Kind: UInt8 {
    case yes = 1
    case no, byte, short, int, long, double, bytes, list, set, map, structure
  }

  /// Structures and lists may lie in each other so deep.
  private static let deepest = 32

  /// Reads the fields of a structure.
  static func structure(_ cursor: inout ByteCursor) throws -> ThriftValue {
    try structure(&cursor, depth: 0)
  }

  private static func structure(_ cursor: inout ByteCursor, depth: Int) throws -> ThriftValue {
    guard depth < deepest else { throw ByteCursor.Mistake("its description is too deep") }
    var (fields, id): ([Int: ThriftValue], Int) = ([:], 0)
    while true {
      let header = try cursor.byte()
      guard header != 0 else { return .fields(fields) }
      let step = Int(header >> 4)
      id = step > 0 ? id + step : Int(truncatingIfNeeded: try cursor.signed())
      guard 0...Int(Int16.max) ~= id else { throw ByteCursor.Mistake("a field has the number \(id)") }
      fields[id] = try value(header & 15, &cursor, depth: depth + 1, isElement: false)
    }
  }

  private static func value(
    _ type: UInt8, _ cursor: inout ByteCursor, depth: Int, isElement: Bool
  ) throws -> ThriftValue {
    guard depth < deepest else { throw ByteCursor.Mistake("its description is too deep") }
    try cursor.countValue()
    switch Kind(rawValue: type) {
    case .yes, .no:
      // Of a field its type says which, of an element its byte.
      return .flag(try isElement ? cursor.byte() == 1 : type == Kind.yes.rawValue)
    case .byte: return .number(Int(Int8(bitPattern: try cursor.byte())))
    case .short, .int, .long: return .number(Int(try cursor.signed()))
    case .double:
      _ = try cursor.take(8)
      return .other
    case .bytes: return .bytes(try cursor.take(cursor.counted()))
    case .list, .set:
      let header = try cursor.byte()
      let count = header >> 4 == 15 ? try cursor.counted() : Int(header >> 4)
      // Each takes a byte or more.
      guard count <= cursor.count else { throw ByteCursor.Mistake.end }
      return .list(
        try (0..<count).map { _ in try value(header & 15, &cursor, depth: depth + 1, isElement: true) })
    case .map:
      let count = try cursor.counted()
      guard count > 0 else { return .other }
      guard count <= cursor.count else { throw ByteCursor.Mistake.end }
      let types = try cursor.byte()
      for _ in 0..<count {
        _ = try value(types >> 4, &cursor, depth: depth + 1, isElement: true)
        _ = try value(types & 15, &cursor, depth: depth + 1, isElement: true)
      }
      return .other
    case .structure: return try structure(&cursor, depth: depth + 1)
    case nil: throw ByteCursor.Mistake("its description has a value of the unknown type \(type)")
    }
  }

  /// A field of a structure; nil where it is not there.
  subscript(_ field: Int) -> ThriftValue? {
    if case .fields(let fields) = self { fields[field] } else { nil }
  }
  /// The number that it is.
  var number: Int? { if case .number(let number) = self { number } else { nil } }
  /// The elements of a list.
  var elements: [ThriftValue] { if case .list(let elements) = self { elements } else { [] } }
  /// The text that it is, what is not UTF-8 replaced.
  var text: String? {
    if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
  }
  /// Whether it says no.
  var isNo: Bool { if case .flag(false) = self { true } else { false } }
}
