import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

/// Regions and painted masks.
@Suite struct MaskTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// The values of a mask for a map, by way of the area that it makes.
  private func inside(_ region: String, height: Int, width: Int) throws -> [Bool] {
    ActiveArea(height: height, width: width, mask: .region(try Region(region))).inside
  }

  @Test func namesAreRectangles() throws {
    for (name, corners) in [
      ("left", "0,0,0.5,1"), ("right", "0.5,0,1,1"), ("top", "0,0,1,0.5"), ("bottom", "0, 0.5, 1, 1"),
      ("centre", "0.25,0.25,0.75,0.75"),
    ] {
      #expect(try Region(name) == Region(corners))
      #expect(try Region(corners).description == name)
    }
    let map = try inside("0,0.5,0.25,1", height: 2, width: 4)
    #expect(map == [false, false, false, false, true, false, false, false])
    #expect(try inside("left", height: 1, width: 3) == [true, true, false])
    #expect(try Region("0.125,0,1,0.5").description == "0.125,0.0,1.0,0.5")
  }

  @Test(arguments: [
    "", "middle", "0,0,1", "0,0,1,1,1", "0,0,nan,1", "-0.1,0,1,1", "0,0,1.1,1", "0.5,0,0.5,1",
    "0,1,1,0", "0,,1,1", "0,0,1,1,",
  ]) func otherTextsAreNoRegion(_ text: String) {
    #expect(
      errorMessage { try Region(text) }
        == "'\(text)' is not a region; give left, right, top, bottom, centre, or x0,y0,x1,y1: the left, upper, "
        + "right and lower border as shares of the picture from 0 to 1, as in 0.25,0,0.75,0.5")
  }

  /// A mask with a grey level for every pixel, read for a map.
  private func mask(
    _ levels: [UInt8], width: Int, picture: (Int, Int), map: (Int, Int), channels: Int = 1
  ) throws -> Mask {
    let height = levels.count / width / channels
    let path = folder("mask.png")
    try PNG.write(Picture(width: width, height: height, channels: channels, samples: levels), to: path)
    return try Mask(contentsOf: path, picture: picture, map: map)
  }

  @Test func aPlaceTakesTheMeanOfItsPixels() throws {
    let levels: [UInt8] = [
      255, 255, 0, 0,
      255, 0, 0, 51,
    ]
    let found = try mask(levels, width: 4, picture: (32, 64), map: (1, 2))
    #expect(found == .places(try PlaceMask(height: 1, width: 2, values: [0.75, 0.05])))
    let same = try mask(levels, width: 4, picture: (32, 64), map: (2, 4))
    #expect(same == .places(try PlaceMask(height: 2, width: 4, values: [1, 1, 0, 0, 1, 0, 0, 0.2])))
    // Three pixels over two places: the middle one counts half to each.
    let odd = try mask([255, 0, 0, 255, 0, 0, 255, 255, 255], width: 3, picture: (64, 64), map: (1, 2))
    guard case .places(let places) = odd else { return }
    #expect(abs(places.values[0] - 3.5 / 4.5) < 1e-6 && abs(places.values[1] - 1.5 / 4.5) < 1e-6)
  }

  @Test func whatIsTransparentDoesNotAct() throws {
    let levels: [UInt8] = [255, 255, 255, 0, 255, 255, 255, 255]
    let found = try mask(levels, width: 2, picture: (8, 16), map: (1, 2), channels: 4)
    #expect(found == .places(try PlaceMask(height: 1, width: 2, values: [0, 1])))
  }

  @Test func wrongPicturesAreRefused() throws {
    func refusal(_ levels: [UInt8], width: Int, picture: (Int, Int), map: (Int, Int)) -> String {
      errorMessage { try mask(levels, width: width, picture: picture, map: map) }
        .replacing(folder("mask.png"), with: "mask.png")
    }
    let white = [UInt8](repeating: 255, count: 64)
    #expect(
      refusal(white, width: 8, picture: (512, 512), map: (16, 16))
        == "the mask 'mask.png' has 8 × 8 pixels, fewer than the 16 × 16 places of the block's map; "
        + "make it as large as the picture")
    #expect(
      refusal(white, width: 16, picture: (512, 512), map: (4, 4))
        == "the mask 'mask.png' has 16 × 4 pixels, which is not the shape of a picture of 512 × 512; "
        + "make it as large as the picture")
    #expect(
      refusal([UInt8](repeating: 0, count: 64), width: 8, picture: (64, 64), map: (2, 2))
        == "the mask 'mask.png' is black everywhere, so that nothing would be added; paint the area white")
    #expect(errorMessage { try Mask(contentsOf: folder("none.png"), picture: (8, 8), map: (1, 1)) } != "")
  }

  @Test func aSideMayBeRounded() throws {
    // 512 × 768 at two thirds of the size: 341.3 × 512.
    let white = [UInt8](repeating: 255, count: 341 * 512)
    let whole = Mask.places(try PlaceMask(height: 3, width: 2, values: [1, 1, 1, 1, 1, 1]))
    #expect(try mask(white, width: 341, picture: (768, 512), map: (3, 2)) == whole)
    let wider = [UInt8](repeating: 255, count: 343 * 512)
    #expect(throws: MaskError.self) { try mask(wider, width: 343, picture: (768, 512), map: (3, 2)) }
  }
}
