/// The bytes of a safetensors file with any header, for tests of damaged files.
public func safetensorsBytes(_ header: String, data: some Sequence<UInt8> = []) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8) + Array(data)
}

/// The bytes of numbers as they lie in a file.
public func bytes<Number: BitwiseCopyable>(of numbers: [Number]) -> [UInt8] {
  numbers.withUnsafeBytes(Array.init)
}
