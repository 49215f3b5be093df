import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct PNGTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A picture in which every sample differs from its neighbours.
  private func picture(_ width: Int, _ height: Int, channels: Int = 3) -> Picture {
    Picture(
      width: width, height: height, channels: channels,
      samples: (0..<width * height * channels).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 16) })
  }

  @Test(arguments: [(1, 1), (1, 300), (300, 1), (64, 48), (513, 511)])
  func whatIsWrittenIsReadAgain(width: Int, height: Int) throws {
    let picture = picture(width, height)
    try PNG.write(picture, text: [PNGText("prompt", "a cat")], to: folder("x.png"))
    #expect(try PNG.read(folder("x.png")) == picture)
    #expect(try PNG.encode(picture) == PNG.encode(picture))
    #expect(try folder.contents == ["x.png"])
  }

  @Test func greyAndTransparentPicturesAreReadAsRGB() throws {
    let grey = Picture(width: 2, height: 1, channels: 1, samples: [0, 77])
    try PNG.write(grey, to: folder("x"))
    #expect(try PNG.read(folder("x")).samples == [0, 0, 0, 77, 77, 77])
    let clear = Picture(width: 2, height: 1, channels: 4, samples: [9, 8, 7, 0, 1, 2, 3, 255])
    try PNG.write(clear, to: folder("y"))
    #expect(try PNG.read(folder("y")).samples == [255, 255, 255, 1, 2, 3])
  }

  // Image.alpha_composite(Image.new("RGBA", size, (grey, grey, grey, 255)), picture).convert("RGB")
  @Test(
    arguments: [
      (255, [255, 255, 255, 181, 238, 187, 254, 254, 254, 91, 92, 93, 255, 255, 255]),
      (0, [128, 128, 128, 3, 60, 9, 0, 0, 0, 90, 91, 92, 0, 0, 0]),
    ] as [(UInt8, [UInt8])])
  func transparencyIsLaidOverAsPillowDoes(_ grey: UInt8, _ samples: [UInt8]) throws {
    let picture = Picture(
      width: 5, height: 1, channels: 4,
      samples: [255, 255, 255, 128, 10, 200, 30, 77, 0, 0, 0, 1, 90, 91, 92, 254, 9, 8, 7, 0])
    try PNG.write(picture, to: folder("x"))
    #expect(try PNG.read(folder("x"), over: grey).samples == samples)
  }

  @Test func greyWithOpacityIsLaidOverAsPillowDoes() throws {
    // (200, 128) and (3, 60), "LA"
    let path = try folder.write(
      png(
        "00000002000000010804000000" + "5e2bb701" + "0000000d49444154" + "789c6338d1c06c030004e70188"
          + "13283128"
          + "0000000049454e44ae426082"), to: "x")
    #expect(try PNG.read(path, over: 0).samples == [100, 100, 100, 1, 1, 1])
  }

  /// 2 × 2 pictures as Pillow 13 writes them: `Image.fromarray(pixels).save(file, "PNG")`.
  @Test(
    arguments: [
      // uint8 [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]]
      (
        "00000002000000020802000000fdd49a730000001649444154789c63f8cfc0c0f09f818181e13f97881c001a58033a82e0ab53",
        [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]
      ),
      // The same, .convert("P", palette=Image.ADAPTIVE)
      (
        "0000000200000002" + "0203000000" + "0fd8e5b7" + "0000000c504c544500ff000a141eff00000000ffbc2ab2a1"
          + "0000000c49444154789c636860b8000002540151612651e1",
        [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]
      ),
      // uint8 [[0, 255], [255, 0]], .convert("1")
      (
        "0000000200000002" + "0100000000" + "5acd3089" + "0000000c49444154789c6370607200000108008318868bce",
        [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]
      ),
      // uint16 [[0, 65535], [7 * 257, 128 * 257]]
      (
        "0000000200000002" + "1000000000" + "074d8ebb"
          + "0000001249444154789c636060f8ff9f919dbdb212000e9e0300549f1cd0",
        [0, 0, 0, 255, 255, 255, 7, 7, 7, 128, 128, 128]
      ),
    ] as [(String, [UInt8])])
  func whatOthersWriteIsReadAsRGB(chunks: String, samples: [UInt8]) throws {
    let path = try folder.write(png(chunks + "0000000049454e44ae426082"), to: "x")
    #expect(try PNG.read(path) == Picture(width: 2, height: 2, samples: samples))
  }

  /// The orders of pixels are those of Pillow: `ImageOps.exif_transpose` of a picture of 3 × 2.
  @Test(
    arguments: [
      (1, 3, [0, 1, 2, 3, 4, 5]), (2, 3, [2, 1, 0, 5, 4, 3]), (3, 3, [5, 4, 3, 2, 1, 0]),
      (4, 3, [3, 4, 5, 0, 1, 2]), (5, 2, [0, 3, 1, 4, 2, 5]), (6, 2, [3, 0, 4, 1, 5, 2]),
      (7, 2, [5, 2, 4, 1, 3, 0]), (8, 2, [2, 5, 1, 4, 0, 3]), (9, 3, [0, 1, 2, 3, 4, 5]),
    ] as [(UInt8, Int, [UInt8])])
  func picturesAreTurnedAsTheirExifSays(_ orientation: UInt8, _ width: Int, _ order: [UInt8]) throws {
    let lying = Picture(width: 3, height: 2, samples: (0..<6).flatMap { [10 * $0, 1, 2] })
    let upright = Picture(width: width, height: 6 / width, samples: order.flatMap { [10 * $0, 1, 2] })
    let one = try PNG.encode(lying)
    func exif(_ content: [UInt8]) throws -> Picture {
      try PNG.read(folder.write(one[..<33] + chunk("eXIf", content) + one[33...], to: "x.png"))
    }
    let big = unhex("4d4d002a00000008" + "0002" + "010f000200000004" + "41424300" + "0112000300000001")
    #expect(try exif(big + [0, orientation, 0, 0, 0, 0, 0, 0]) == upright)
    let little = unhex("49492a0008000000" + "0100" + "1201030001000000")
    #expect(try exif(Array("Exif\0\0".utf8) + little + [orientation, 0, 0, 0, 0, 0, 0, 0]) == upright)
    // Of what is cut or damaged nothing can be said.
    for count in 0..<little.count { #expect(try exif(Array(little.prefix(count))) == lying) }
    for place in little.indices {
      var damaged = little + [orientation, 0, 0, 0]
      damaged[place] = 0xFF
      #expect(try [lying, upright].contains(exif(damaged)))
    }
  }

  /// `Image.open(…).convert("RGB")` of Pillow gives the numbers of the file, whatever gamma it says.
  @Test(arguments: [0, 1, 45455, 55556, 100_000, UInt32.max])
  func theGammaOfAFileIsPassedOver(_ gamma: UInt32) throws {
    let picture = Picture(width: 3, height: 2, samples: (0..<18).map { 13 * $0 })
    let one = try PNG.encode(picture)
    let said = chunk("gAMA", withUnsafeBytes(of: gamma.bigEndian, Array.init))
    for chunks in [said, said + said, Array(said.dropLast()) + [said[said.count - 1] ^ 1]] {
      #expect(try PNG.read(folder.write(one[..<33] + chunks + one[33...], to: "x.png")) == picture)
    }
  }

  private func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + content
    return withUnsafeBytes(of: UInt32(content.count).bigEndian, Array.init) + body
      + withUnsafeBytes(of: Self.checksum(body).bigEndian, Array.init)
  }

  /// Where other programs have it: `ImageOps.exif_transpose` of Pillow turns all of these.
  @Test func orientationIsFoundWhereOlderProgramsHaveIt() throws {
    let lying = Picture(width: 3, height: 2, samples: (0..<6).flatMap { [10 * $0, 1, 2] })
    let one = try PNG.encode(lying)
    func order(_ chunks: [UInt8]) throws -> [UInt8] {
      let picture = try PNG.read(folder.write(one[..<33] + chunks + one[33...], to: "x.png"))
      return picture.samples.enumerated().filter { $0.offset % 3 == 0 }.map { $0.element / 10 }
    }
    let digits = "45786966000049492a0008000000010012010300010000000600000000000000"
    let profile = Array("Raw profile type exif\0".utf8)
    let plain = chunk("tEXt", profile + Array("\nexif\n      32\n\(digits)\n".utf8))
    // zlib.compress(text, 9)
    let packed = unhex(
      "78dae34aadc84ce352000363232e1353730b334b3333032030b134b1344a04322c0c20c01088"
        + "8c80a431840d06660628800b008ac00f91")
    let properties = Array("XML:com.adobe.xmp\0".utf8)
    let text = #"<rdf:Description tiff:Orientation="8"/>"#
    let packedText = unhex(
      "78dab3294a49b372492d4e2eca2c28c9cccf5328c94c4bb3f22fca4ccd2b490409d82a5928e9"
        + "db010023f50dec")
    let (turned, back) = ([3, 0, 4, 1, 5, 2] as [UInt8], [2, 5, 1, 4, 0, 3] as [UInt8])
    #expect(try order(plain) == turned)
    #expect(try order(chunk("zTXt", profile + [0] + packed)) == turned)
    let open = chunk("iTXt", properties + [0, 0, 0, 0] + Array(text.utf8))
    #expect(try order(open) == back)
    #expect(try order(chunk("iTXt", properties + [1, 0, 0, 0] + packedText)) == back)
    let element = Array("<tiff:Orientation>3</tiff:Orientation>".utf8)
    #expect(try order(chunk("iTXt", properties + [0, 0, 0, 0] + element)) == [5, 4, 3, 2, 1, 0])
    // Exif comes first; of what is damaged nothing can be said.
    #expect(try order(open + plain) == turned)
    for broken in [Array(packed.dropLast(9)), [], [1, 2, 3]] {
      #expect(try order(chunk("zTXt", profile + [0] + broken)) == [0, 1, 2, 3, 4, 5])
    }
    #expect(try order(chunk("tEXt", profile + Array("\nexif\n 9\nzz4".utf8))) == [0, 1, 2, 3, 4, 5])
  }

  // As other programs pack long texts: zlib.compress("ein Bär".encode("latin-1")).
  @Test func packedTextsAreRead() throws {
    let one = try PNG.encode(picture(1, 1))
    let packed = unhex("789c4bcdcc53707a5204000ae602f5")
    let path = try folder.write(
      one[..<33] + chunk("zTXt", Array("prompt\0\0".utf8) + packed) + one[33...], to: "x.png")
    #expect(try PNG.text(of: path) == [PNGText("prompt", "ein Bär")])
  }

  @Test func textsAreKept() throws {
    let texts = [
      PNGText("prompt", "a cat\nand \"a dog\""), PNGText("Title", "ein Bär 🐻"), PNGText("empty", ""),
    ]
    try PNG.write(picture(4, 4), text: texts, to: folder("x"))
    #expect(try PNG.text(of: folder("x")) == texts)
    #expect(try PNG.read(folder("x")) == picture(4, 4))
    #expect(PNGText("a", "b\0c").text == "b\u{FFFD}c")
  }

  @Test func theBytesOfATextAreThoseOfPillow() throws {
    let bytes = try PNG.encode(picture(1, 1), text: [PNGText("k", "v"), PNGText("k", "é")])
    // PngInfo().add_text("k", "v"); .add_itxt("k", "é")
    let chunks = unhex("00000003744558746b0076cb04f390" + "00000008695458746b0000000000c3a9c3994919")
    #expect(Array(bytes[33..<33 + chunks.count]) == chunks)
  }

  /// What `PNG.read` and `PNG.text` say of a file of these bytes, without what is the same each time.
  private func reasons(_ bytes: [UInt8]) throws -> [String] {
    let path = try folder.write(bytes, to: "x")
    return [errorMessage { try PNG.read(path) }, errorMessage { try PNG.text(of: path) }].map {
      $0.replacing("'\(path)' cannot be read as PNG: ", with: "")
        .replacing("; check that it is a PNG file, or make it again", with: "")
    }
  }

  @Test func whatIsNoWholePNG() throws {
    #expect(try reasons(Array("not a picture".utf8)) == ["Not a PNG file", "Not a PNG file"])
    // The text is at byte 33, the pixels at byte 70.
    let bytes = try PNG.encode(picture(40, 40), text: [PNGText("prompt", "a cat")])
    #expect(
      try reasons(Array(bytes.prefix(20))) == ["read beyond end of data", "the chunk at byte 8 is damaged"])
    #expect(
      try reasons(bytes.dropLast(200)) == ["read beyond end of data", "the chunk at byte 70 is damaged"])
    var wrongText = bytes
    wrongText[45] ^= 1
    #expect(try reasons(wrongText) == ["", "the chunk at byte 33 is damaged"])
    var wrongPixels = bytes
    wrongPixels[bytes.count - 40] ^= 1
    #expect(
      try reasons(wrongPixels) == ["IDAT: incorrect data check", "the chunk at byte 70 is damaged"])
  }

  @Test func aPictureTooLargeIsRefusedBeforeMemoryIsTaken() throws {
    func message(_ header: String) throws -> String {
      let path = try folder.write(
        png(header + "0000000c49444154789c6360a03d00000064000186643c350000000049454e44ae426082"), to: "x")
      return errorMessage { try PNG.read(path) }.replacing(path, with: "x")
    }
    #expect(
      try message("00004e2000004e2008020000006c12d16e")
        == "'x' has 20000 × 20000 pixels, but at most 268435456 are read; make it smaller")
    #expect(
      try message("7fffffff7fffffff08020000009bab9c31")
        == "'x' cannot be read as PNG: Invalid IHDR data; check that it is a PNG file, or make it again")
  }

  /// Texts, profiles and pixels that say they are gigabytes, behind a header of 64 × 64.
  @Test(arguments: ["iTXt", "zTXt", "tEXt", "iCCP", "eXIf", "IDAT", "PLTE", "tRNS"])
  func aLengthIsNotBelieved(type: String) throws {
    for length in ["7fffffff", "ffffffff", "00800000", "00000015"] {
      let chunk =
        length + type.utf8.map { String($0, radix: 16) }.joined() + "61620000000000000000000000000000"
      let path = try folder.write(png("000000400000004008000000" + "00" + "8f026b5f" + chunk), to: "x")
      #expect(
        errorMessage { try PNG.read(path) }
          == "'\(path)' cannot be read as PNG: read beyond end of data; check that it is a PNG file, or make it again",
        "\(length)")
    }
  }

  /// 16,000 × 16,000 pixels in a few bytes: not even zeros are packed so small.
  @Test func pixelsThatCannotBeThereTakeNoMemory() throws {
    let whole = try PNG.encode(
      Picture(width: 4000, height: 4000, channels: 1, samples: Array(repeating: 7, count: 16_000_000)))
    #expect(try PNG.read(folder.write(whole, to: "whole")).samples.count == 48_000_000)
    let header = unhex("00003e8000003e80" + "0800000000" + "00000000")
    var bytes = whole.prefix(16) + header + whole.dropFirst(33)
    let checksum = PNGTests.checksum(Array(bytes[12..<29]))
    for (index, shift) in [24, 16, 8, 0].enumerated() {
      bytes[29 + index] = UInt8(truncatingIfNeeded: checksum >> shift)
    }
    let path = try folder.write(bytes, to: "x")
    #expect(errorMessage { try PNG.read(path) }.contains(" bytes of pixels are too few for 16000 × 16000"))
  }

  /// The CRC-32 of PNG.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
  }

  /// The bytes of a file from the content of its first chunk on.
  private func png(_ rest: String) -> [UInt8] { unhex("89504e470d0a1a0a0000000d49484452" + rest) }

  private func unhex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue).map(UInt8.init)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}
