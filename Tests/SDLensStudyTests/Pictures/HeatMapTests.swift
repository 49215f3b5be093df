import SDLensCore
import SDLensTestSupport
import Testing

import SDLensStudy

/// Goldens: `Scripts/goldens/pictures.py`, by NumPy, matplotlib and PIL.
@Suite struct HeatMapTests {
  static let cases = ["square", "wide", "uneven", "every", "constant", "inactive"]

  @Test(arguments: cases, [ColorMap.jet, .viridis]) func equalsTwin(_ name: String, _ colors: ColorMap) throws
  {
    let goldens = try StudyGoldens.pictures
    let (activations, picture) = (
      try goldens.tensor("\(name).activations"), try goldens.picture("\(name).picture")
    )
    for (way, smooth) in [("blocks", false), ("smooth", true)] {
      let drawn = HeatMap(colors: colors, smooth: smooth)(activations, over: picture)
      let distance = drawn.distance(to: try goldens.picture("\(name).\(colors.rawValue).\(way)"))
      #expect(distance <= 1, "\(way) differs by \(distance)")
    }
  }

  @Test func inactiveMapsLeaveThePicture() {
    let picture = Picture(SIMD3(10, 200, 30), width: 8, height: 8)
    for smooth in [false, true] {
      let heatMap = HeatMap(smooth: smooth)
      #expect(heatMap(Tensor([2, 2]), over: picture) == picture)
      #expect(heatMap(Tensor(repeating: .nan, [2, 2]), over: picture) == picture)
    }
  }

  /// Red where all is equally active, and at infinity.
  @Test func constantAndInfiniteMapsAreRed() {
    let black = Picture(SIMD3(0, 0, 0), width: 4, height: 4)
    let drawn = HeatMap(opacity: 1)(Tensor(repeating: 3, [2, 2]), over: black)
    #expect(drawn.pixel(0, 0) == [127, 0, 0])
    let infinite = HeatMap(opacity: 1)(Tensor([1, 2, .infinity, 0], [2, 2]), over: black)
    #expect(infinite.pixel(0, 3) == [127, 0, 0] && infinite.pixel(3, 3) == [0, 0, 0])
  }

  @Test func sharedRangeComparesPictures() {
    let black = Picture(SIMD3(0, 0, 0), width: 2, height: 2)
    let heatMap = HeatMap(opacity: 1, range: 0...10)
    let drawn = heatMap(Tensor([1, 5, 10, 20], [2, 2]), over: black)
    let jet = ColorMap.jet.table.map { [UInt8($0 >> 16), UInt8($0 >> 8 & 255), UInt8($0 & 255)] }
    #expect(drawn.samples == [25, 128, 255, 255].flatMap { jet[$0] })
  }

  @Test func greyAndTransparentPicturesBecomeColored() {
    let grey = Picture(width: 2, height: 1, channels: 1, samples: [50, 60])
    #expect(HeatMap()(Tensor([1, 2]), over: grey).samples == [50, 50, 50, 60, 60, 60])
    let clear = Picture(width: 1, height: 1, channels: 4, samples: [1, 2, 3, 4])
    #expect(HeatMap()(Tensor([1, 1]), over: clear).samples == [1, 2, 3])
  }

  /// `min(1, s / (0.5 max))` of the picture over white.
  @Test func coldMapsFadeToWhite() {
    let picture = Picture(SIMD3(100, 0, 255), width: 4, height: 2)
    let activations = Tensor([0, 1, 2, 4], [1, 4])
    let drawn = ColdMap(smooth: false)(activations, over: picture)
    #expect(drawn.pixel(0, 0) == [255, 255, 255])
    #expect(drawn.pixel(1, 1) == [177, 127, 255])
    #expect(drawn.pixel(2, 0) == [100, 0, 255] && drawn.pixel(3, 0) == [100, 0, 255])
    #expect(ColdMap()(Tensor([1, 4]), over: picture) == Picture(SIMD3(255, 255, 255), width: 4, height: 2))
    let strange = ColdMap(smooth: false)(Tensor([-1, .nan, 1, .infinity], [1, 4]), over: picture)
    #expect(strange.pixel(0, 0) == [255, 255, 255] && strange.pixel(1, 0) == [255, 255, 255])
    #expect(strange.pixel(3, 0) == [100, 0, 255])
  }

  @Test func differences() {
    let a = Picture(width: 2, height: 1, samples: [10, 200, 30, 5, 5, 5])
    let b = Picture(width: 2, height: 1, samples: [20, 100, 30, 5, 5, 5])
    #expect(Difference.absolute(a, b).samples == [10, 100, 0, 0, 0, 0])
    #expect(Difference.absolute(a, b, gain: 3).samples == [30, 255, 0, 0, 0, 0])
    let signed = Difference.signed(a, b)
    #expect(signed.pixel(1, 0).allSatisfy { $0 > 240 }, "no change is white")
    #expect(signed.pixel(0, 0)[2] > signed.pixel(0, 0)[0], "darker is blue")
    let lighter = Difference.signed(b, a).pixel(0, 0)
    #expect(lighter[0] > lighter[2], "lighter is red")
    let black = Picture(SIMD3(0, 0, 0), width: 1, height: 1)
    let white = Picture(SIMD3(255, 255, 255), width: 1, height: 1)
    let table = ColorMap.blueRed.table.map { [UInt8($0 >> 16), UInt8($0 >> 8 & 255), UInt8($0 & 255)] }
    #expect(Difference.signed(black, white).samples == table[255])
    #expect(Difference.signed(white, black).samples == table[0])
  }

  @Test func masksHaveAClosedOutline() {
    let picture = Picture(SIMD3(0, 0, 0), width: 12, height: 12)
    // The two lower rows of three: the outline runs inside, also along the picture's edge.
    let mask = Tensor([0, 0, 0, 0.5, 1, 2, 1, 1, 1], [3, 3])
    let drawn = MaskOverlay(color: 0xFF8000, opacity: 0.5, lineWidth: 2)(mask, over: picture)
    for y in 0..<12 {
      for x in 0..<12 {
        let line = y >= 4 && (y < 6 || y >= 10 || x < 2 || x >= 10)
        let wanted: [UInt8] = y < 4 ? [0, 0, 0] : line ? [255, 128, 0] : [127, 64, 0]
        #expect(drawn.pixel(x, y) == wanted, "at \(x), \(y)")
      }
    }
    #expect(MaskOverlay()(Tensor([3, 3]), over: picture) == picture)
  }

  @Test func enlargementRepeatsPixels() {
    let picture = Picture(width: 2, height: 1, channels: 1, samples: [1, 2])
    #expect(picture.enlarged(by: 2).samples == [1, 1, 2, 2, 1, 1, 2, 2])
    #expect(picture.enlarged(by: 1) == picture)
  }
}
