/// One array in a file of NumPy's: `numpy.save`.
///
/// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
public struct NumPyFile {
  /// The extents.
  public let shape: Shape
  private let file: MappedFile
  private let start: Int
  private let type: NumberType
  /// Whether the first axis runs fastest (`fortran_order`).
  private let isColumnMajor: Bool

  /// The first bytes of every such file.
  public static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  private struct NumberType {
    let element: ElementType
    /// Whether the bytes of a number lie the other way round than here.
    let isSwapped: Bool

    /// By its code, with or without the order of bytes, or its name; nil for every other type.
    init?(_ code: String) {
      let bare = code.drop { "<>=|".contains($0) }
      guard code.count - bare.count <= 1 else { return nil }
      switch bare {
      case "f2", "float16": element = .f16
      case "f4", "float32": element = .f32
      case "f8", "float64": element = .f64
      default: return nil
      }
      isSwapped = code.hasPrefix(">")
    }

    /// The number that begins at a byte, to the nearest.
    func value(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Float {
      func bits<Bits: FixedWidthInteger & BitwiseCopyable>(_ type: Bits.Type) -> Bits {
        let bits = bytes.loadUnaligned(fromByteOffset: offset, as: type)
        return isSwapped ? bits.byteSwapped : bits
      }
      return switch element {
      case .f16: Float(Float16(bitPattern: bits(UInt16.self)))
      case .f32: Float(bitPattern: bits(UInt32.self))
      default: Float(Double(bitPattern: bits(UInt64.self)))
      }
    }
  }

  /// Whether a file begins as such files do.
  ///
  /// - Throws: `FileError`.
  public static func isOne(_ path: String) throws -> Bool {
    try MappedFile(path: path).withBytes { $0.starts(with: magic) }
  }

  /// Opens a file of floats, and checks its header against its length.
  ///
  /// - Throws: `FileError`, `MalformedFile`.
  public init(contentsOf path: String) throws {
    let file = try MappedFile(path: path)
    func check(_ holds: Bool, _ reason: @autoclosure () -> String) throws {
      guard holds else { throw MalformedFile(path: path, reason: reason()) }
    }
    let header = try file.withBytes { bytes -> (text: String, end: Int) in
      try check(bytes.starts(with: Self.magic) && bytes.count > 12, "is not a file of NumPy (.npy)")
      let isLong = bytes[6] > 1
      let length = (0..<(isLong ? 4 : 2)).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
      let begin = isLong ? 12 : 10
      try check(
        begin + length <= bytes.count,
        "ends inside its header of \(length) bytes; write or download it again")
      return (
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[begin..<begin + length]), as: UTF8.self),
        begin + length
      )
    }
    let fields = Fields(header.text)
    guard let code = fields.text("descr"), let shape = fields.extents,
      let order = fields.word("fortran_order")
    else {
      throw MalformedFile(
        path: path, reason: "has the header \(header.text.prefix(200)), which is none of an array")
    }
    guard let type = NumberType(code) else {
      throw MalformedFile(
        path: path,
        reason: "holds numbers of the type '\(code)', but float16, float32 or float64 ('f2', 'f4', "
          + "'f8') are needed; convert it with .astype(\"float32\")")
    }
    let (bytes, size) = (file.count - header.end, type.element.size)
    // Nil where there is no such number.
    let count = shape.reduce(Int?.some(1)) { product, extent in
      let (result, isBeyond) = product?.multipliedReportingOverflow(by: extent) ?? (0, true)
      return isBeyond ? nil : result
    }
    try check(
      !shape.contains(0), "has no numbers: its shape is \(Shape(shape)); write an array that has some")
    // What follows an array, such as another that was saved behind it, is passed over, as `numpy.load` does.
    try check(
      shape.allSatisfy { 1...1 << 30 ~= $0 } && count.map { $0 <= bytes / size } == true,
      "has \(bytes) bytes of numbers, but its shape \(Shape(shape)) needs \(count.map { "\($0)" } ?? "too many") of "
        + "\(size) bytes; write it again")
    (self.shape, self.file, start, self.type) = (Shape(shape), file, header.end, type)
    isColumnMajor = order == "True"
  }

  /// All numbers as float32, each to the nearest, in row-major order.
  public func tensor() -> Tensor {
    let values = file.withBytes { bytes in
      (0..<shape.count).map { type.value(bytes, at: start + $0 * type.element.size) }
    }
    guard isColumnMajor else { return Tensor(values, shape) }
    return Tensor(
      (0..<values.count).map { index in
        // Row-major `index` to the place in the file, from the last axis to the first.
        var (rest, place, stride) = (index, 0, values.count)
        for extent in shape.extents.reversed() {
          stride /= extent
          place += rest % extent * stride
          rest /= extent
        }
        return values[place]
      }, shape)
  }

  /// The array where it lies in the file; nil of what does not lie there row by row in this machine's order of bytes.
  public var stored: StoredTensor? {
    guard !isColumnMajor, !type.isSwapped else { return nil }
    let elements = MappedElements(file: file, offset: start, count: shape.count, type: type.element)
    return StoredTensor(shape: shape, elements: elements)
  }

  /// The header's literal of a Python dictionary, with spaces and quotation marks of either kind wherever Python has them.
  private struct Fields {
    let text: String
    init(_ text: String) { self.text = text }

    private func rest(_ key: String) -> Substring? {
      let found = ["'\(key)'", "\"\(key)\""].lazy.compactMap { text.firstRange(of: $0) }.first
      guard let rest = found.map({ text[$0.upperBound...].drop(while: \.isWhitespace) }), rest.first == ":"
      else { return nil }
      return rest.dropFirst().drop(while: \.isWhitespace)
    }

    func word(_ key: String) -> String? { rest(key).map { String($0.prefix { $0.isLetter }) } }

    func text(_ key: String) -> String? {
      guard let rest = rest(key), let quote = rest.first, quote == "'" || quote == "\"" else { return nil }
      return String(rest.dropFirst().prefix { $0 != quote })
    }

    var extents: [Int]? {
      guard let rest = rest("shape"), rest.first == "(", let end = rest.firstIndex(of: ")") else {
        return nil
      }
      var parts = rest[..<end].dropFirst().split(separator: ",", omittingEmptySubsequences: false)
        .map { $0.filter { !$0.isWhitespace } }
      // A comma may end it; Python 2 put an L behind large numbers.
      if parts.last == "" { parts.removeLast() }
      let extents = parts.map { UInt($0.hasSuffix("L") ? String($0.dropLast()) : $0) }
      return extents.contains(nil) ? nil : extents.compactMap { $0.map { Int(clamping: $0) } }
    }
  }
}
