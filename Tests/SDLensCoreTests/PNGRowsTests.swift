import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct PNGRowsTests {
  /// Rows in bands of any height give the picture back, for each number of channels and odd sizes.
  @Test(arguments: [1, 3, 4], [1, 2, 37]) func bandsGiveThePictureBack(_ channels: Int, _ width: Int) throws {
    let folder = try TemporaryFolder()
    let height = 29
    var noise = MersenneTwister(seed: 7)
    // Half noise, half a ramp; opaque, as the reader lays what is transparent over white.
    let samples = (0..<width * height * channels).map { at -> UInt8 in
      if channels == 4 && at % 4 == 3 { return 255 }
      return at % 2 == 0 ? UInt8(noise.bits32() & 255) : UInt8(at / width % 256)
    }
    for bandHeight in [1, 4, 29] {
      var row = 0
      try PNG.write(
        width: width, height: height, channels: channels, text: [PNGText("prompt", "β")],
        to: folder("a.png")
      ) {
        let end = min(height, row + bandHeight)
        defer { row = end }
        return Array(samples[row * width * channels..<end * width * channels])
      }
      let picture = Picture(width: width, height: height, channels: channels, samples: samples)
      try PNG.write(picture, to: folder("whole.png"))
      #expect(try PNG.read(folder("a.png")) == PNG.read(folder("whole.png")))
      #expect(try PNG.text(of: folder("a.png")) == [PNGText("prompt", "β")])
    }
  }

  @Test func evenAreasAreSmall() throws {
    let folder = try TemporaryFolder()
    try PNG.write(width: 2000, height: 2000, to: folder("a.png")) {
      [UInt8](repeating: 255, count: 6000 * 100)
    }
    let size = try MappedFile(path: folder("a.png")).count
    #expect(size < 100_000)
  }

  @Test func refusals() throws {
    let folder = try TemporaryFolder()
    #expect(
      errorMessage { try PNG.write(width: 0, height: 5, to: folder("a.png")) { [] } }
        == "the picture cannot be written as PNG: it has 0 × 5 pixels, but each must be 1 to 2147483647")
    struct Stop: Error {}
    #expect(throws: Stop.self) { try PNG.write(width: 1, height: 1, to: folder("a.png")) { throw Stop() } }
    #expect(try folder.contents == [])
  }
}
