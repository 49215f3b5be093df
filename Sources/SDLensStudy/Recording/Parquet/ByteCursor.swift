/// A place in some bytes of a Parquet file, from which numbers of its encodings are read.
struct ByteCursor {
  /// What the bytes cannot be.
  struct Mistake: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
    static let end = Mistake("it ends too early")
  }

  private var bytes: ArraySlice<UInt8>
  /// Values of a description that were read: memory that a hostile file may make somebody take.
  private var values = 0

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// Counts a value of a description.
  mutating func countValue() throws {
    values += 1
    guard values <= 1 << 24 else { throw Mistake("its description has more than \(1 << 24) values") }
  }

  /// The bytes that are left.
  var count: Int { bytes.count }

  mutating func byte() throws -> UInt8 {
    guard let byte = bytes.popFirst() else { throw Mistake.end }
    return byte
  }

  mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard 0...bytes.count ~= count else { throw Mistake.end }
    defer { bytes.removeFirst(count) }
    return bytes.prefix(count)
  }

  /// A whole number of so many bytes, the lowest first.
  mutating func fixed(_ size: Int) throws -> Int {
    try take(size).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// Seven bits in each byte, the lowest first (ULEB128), up to 64 bits.
  mutating func variable() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try byte()
      guard shift < 63 || byte < 2 else { break }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw Mistake("a number has more than 64 bits")
  }

  /// The same with a sign: 0, -1, 1, -2, ….
  mutating func signed() throws -> Int64 {
    let value = try variable()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  /// The same where it counts something.
  mutating func counted() throws -> Int {
    guard let count = Int(exactly: try variable()) else { throw Mistake("a count is beyond 63 bits") }
    return count
  }

  /// So many numbers of `width` bits each, at most 32, the lowest bits first.
  mutating func packed(_ count: Int, width: Int) throws -> [Int] {
    var (values, held, bits): ([Int], UInt64, Int) = ([], 0, 0)
    values.reserveCapacity(count)
    var bytes = try take((count * width + 7) / 8)
    for _ in 0..<count {
      while bits < width {
        held |= UInt64(bytes.removeFirst()) << UInt64(bits)
        bits += 8
      }
      values.append(Int(held & (1 << UInt64(width) - 1)))
      held >>= UInt64(width)
      bits -= width
    }
    return values
  }

  /// `count` numbers in runs and bit-packed groups of eight (Parquet: RLE, bit-packing hybrid).
  mutating func hybrid(_ count: Int, width: Int) throws -> [Int] {
    guard 0...32 ~= width else { throw Mistake("numbers of \(width) bits are announced") }
    var values: [Int] = []
    while values.count < count {
      let header = try counted()
      let left = count - values.count
      if header & 1 == 0 {
        guard header > 0 else { throw Mistake("a run has no length") }
        values += repeatElement(try fixed((width + 7) / 8), count: min(header >> 1, left))
      } else {
        let groups = header >> 1
        guard groups > 0 else { throw Mistake("a run has no length") }
        // The last group may hold more than there are.
        let whole = try packed(min(groups, (left + 7) / 8) * 8, width: width)
        values += whole.prefix(left)
      }
    }
    return values
  }

  /// All numbers of a sequence of differences (Parquet: DELTA_BINARY_PACKED), at most `most`, each a length.
  mutating func differences(most: Int) throws -> [Int] {
    let (block, pieces, count) = (try counted(), try counted(), try counted())
    guard 1...1 << 16 ~= block, 1...512 ~= pieces, block % pieces == 0, block / pieces % 8 == 0 else {
      throw Mistake("blocks of \(block) numbers in \(pieces) pieces are announced")
    }
    guard count <= most else { throw Mistake("there are \(count) lengths for \(most) texts") }
    var (value, values): (Int64, [Int]) = (try signed(), [])
    func length(_ value: Int64) throws -> Int {
      guard 0...Int64(Int32.max) ~= value else { throw Mistake("a length is \(value)") }
      return Int(value)
    }
    if count > 0 { values.append(try length(value)) }
    while values.count < count {
      let least = try signed()
      let widths = try take(pieces)
      for width in widths where values.count < count {
        guard width <= 32 else { throw Mistake("lengths of \(width) bits are announced") }
        for difference in try packed(block / pieces, width: Int(width)).prefix(count - values.count) {
          value = value &+ least &+ Int64(difference)
          values.append(try length(value))
        }
      }
    }
    return values
  }
}
