import SDLensCore
import SDLensDrawing
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

  /// Red, green and blue of each step.
  private static func colors(of map: ColorMap) -> [[UInt8]] {
    map.table.map { [UInt8($0 >> 16), UInt8($0 >> 8 & 255), UInt8($0 & 255)] }
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

  /// The opacity grows from a little at the lowest activation to all of it at the highest.
  @Test func risingCoversLetTheObjectShow() {
    let white = Picture(SIMD3(255, 255, 255), width: 4, height: 1)
    let heatMap = HeatMap(opacity: 0.6, cover: .rising, range: 0...10)
    let map = Tensor([0, 1e-6, 5, 10], [1, 4])
    let drawn = heatMap(map, over: white)
    #expect(drawn.pixel(0, 0) == [255, 255, 255])
    // 0.15, 0.575 and 1 of an opacity of 0.6, in 255 steps.
    let overlay = heatMap.overlay(map)
    let alphas: [UInt8] = (0..<4).map { overlay.pixel($0, 0)[3] }
    #expect(alphas == [0, 22, 87, 153])
    #expect(drawn.pixel(3, 0) == HeatMap(opacity: 0.6)(map, over: white).pixel(3, 0))
    #expect(drawn.pixel(1, 0).allSatisfy { $0 >= 233 })
  }

  /// Numbers that are not finite draw something, whatever else the map holds and whatever its range is.
  @Test(arguments: [HeatMap.Cover.even, .rising], [false, true])
  func mapsThatAreNotFiniteAreDrawn(_ cover: HeatMap.Cover, _ smooth: Bool) {
    let picture = Picture(SIMD3(10, 200, 30), width: 8, height: 8)
    let most = Float.greatestFiniteMagnitude
    let maps: [[Float]] = [
      [.nan, .nan, .nan, .nan], [.infinity, -.infinity, .nan, 0],
      [.infinity, .infinity, .infinity, .infinity],
      [-most, most, 0, .nan], [.leastNonzeroMagnitude, 0, 0, .infinity], [-1, -2, -3, -4],
    ]
    let ranges: [ClosedRange<Float>?] = [
      nil, 0...0, 0...most, -most...most, -.infinity...(.infinity), 0...(.infinity),
    ]
    for map in maps.map({ Tensor($0, [2, 2]) }) {
      for range in ranges {
        let heatMap = HeatMap(smooth: smooth, cover: cover, range: range)
        #expect(heatMap(map, over: picture).width == 8 && heatMap.overlay(map).width == 2)
      }
      #expect(ColdMap(smooth: smooth)(map, over: picture).width == 8)
      #expect(MaskOverlay()(map, over: picture).width == 8)
    }
    #expect(Picture(Tensor([.nan, .infinity, -.infinity], [1, 1, 1, 3])).samples == [0, 255, 0])
  }

  @Test func scalesTellTheHighestValue() {
    let scale = HeatMap.ofFigures.scale(to: 12.345)
    #expect(scale.low == "0" && scale.high == "12.3")
    let colors: [UInt8] = Self.colors(of: .jet).flatMap { $0 }
    #expect(scale.strip?.samples == colors)
    for highest in [0, -1, .nan] as [Float] {
      #expect(HeatMap.ofFigures.scale(to: highest) == ColorScale(low: "not active"))
    }
    #expect(HeatMap.ofFigures.scale(to: .infinity).high == "inf")
    let numbers: [Double] = [0, 0.0123456, 0.5, 1, 9.876, 78.94, 382.5, 12_345, 1e-9, -2.5, 3e8, .nan]
    let texts = "0 0.0123 0.500 1.00 9.88 78.9 382 12345 1.00e-09 -2.50 3.00e+08 nan"
    #expect(numbers.map(\.threeDigits).joined(separator: " ") == texts)
  }

  /// The sum over the colours, from nearly white to dark red, with the highest power of two that fits.
  @Test func differences() {
    let table = Self.colors(of: .blueRed)
    let a = Picture(width: 2, height: 1, samples: [10, 200, 30, 5, 5, 5])
    let b = Picture(width: 2, height: 1, samples: [20, 100, 30, 5, 5, 5])
    let plain = Difference(a, b, gain: 1)
    #expect(plain.title == "difference")
    // Of 110 the step is ⌊110 · 128 / 765⌋ above the middle, and of 440 the one of 440.
    #expect(plain.picture.pixel(0, 0) == table[146] && plain.picture.pixel(1, 0) == table[128])
    // 110 · 4 is within 765, 110 · 8 is not.
    let found = Difference(a, b)
    #expect(found.gain == 4 && found.title == "difference × 4" && found == Difference(b, a))
    #expect(found.scale.low == "× 4: 0" && found.scale.high == "191")
    #expect(found.picture.pixel(0, 0) == table[201] && found.picture.pixel(1, 0) == table[128])
    let beyond = Difference(a, b, gain: 100)
    #expect(beyond.picture.pixel(0, 0) == table[255], "what is beyond the scale is at its end")
    let none = Difference(a, a)
    #expect(none.isNone && none.gain == 1 && none.title == "no difference" && none.scale.strip == nil)
    let (black, white) = (SIMD3<UInt8>(0, 0, 0), SIMD3<UInt8>(255, 255, 255))
    #expect(Difference(Picture(black, width: 1, height: 1), Picture(white, width: 1, height: 1)).gain == 1)
    // One step of one sample is seen, but not as the whole scale.
    var step = Picture(black, width: 10, height: 10)
    step.samples[0] = 1
    let least = Difference(step, Picture(black, width: 10, height: 10))
    #expect(least.gain == 256 && least.picture.pixel(0, 0) == table[170])
    // Half a percent of the pixels may be beyond the scale.
    var few = Picture(black, width: 20, height: 20)
    for index in few.samples.indices { few.samples[index] = 2 }
    few.samples.replaceSubrange(0..<6, with: repeatElement(255, count: 6))
    #expect(Difference(few, Picture(black, width: 20, height: 20)).gain == 64)
    let grey = Picture(width: 1, height: 1, channels: 1, samples: [7])
    #expect(Difference(grey, Picture(black, width: 1, height: 1), gain: 1).scale.high == "765")
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
