import SDLensCore

/// A picture in a file of goldens, its samples as hexadecimal digits.
struct GoldenPicture: Decodable {
  let width, height, channels: Int
  let samples: String

  var picture: Picture {
    Picture(width: width, height: height, channels: channels, samples: bytes(samples))
  }
}

/// The bytes that hexadecimal digits stand for.
func bytes(_ digits: String) -> [UInt8] {
  let digits = Array(digits.utf8)
  return stride(from: 0, to: digits.count, by: 2).compactMap {
    UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
  }
}
