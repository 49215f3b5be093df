import SDLensCore
import SDLensDrawing
import SDLensTestSupport
import Testing

import SDLensStudy

/// Goldens: `Scripts/goldens/pictures.py`.
@Suite struct ColorMapTests {
  /// `matplotlib.colormaps[name](np.arange(256), bytes=True)`
  @Test(arguments: ColorMap.allCases) func equalsMatplotlib(_ map: ColorMap) throws {
    let wanted = try StudyGoldens.pictures.tensor("map.\(map.rawValue)")
    let found = map.table.flatMap { color in [16, 8, 0].map { Float(color >> $0 & 255) } }
    expectSame(Tensor(found, [256, 3]), wanted, map.rawValue)
  }

  @Test func stepsAreEvenAndEndsAreKept() {
    let steps = [-1, 0, 1.0 / 256, 0.5, 0.999, 1, 2, .infinity, -.infinity, .nan].map { ColorMap.step($0) }
    #expect(steps == [0, 0, 1, 128, 255, 255, 255, 255, 0, 0])
  }

  @Test func picturesOfNumbers() {
    let values = Tensor([-2, 0, 2, .nan, 5, -5], [2, 3])
    let picture = ColorMap.blueRed.picture(of: values, range: -2...2)
    #expect(picture.width == 3 && picture.height == 2)
    let table = ColorMap.blueRed.table.map { [UInt8($0 >> 16), UInt8($0 >> 8 & 255), UInt8($0 & 255)] }
    #expect(picture.samples == [0, 128, 255, 0, 255, 0].flatMap { table[$0] })
    let constant = ColorMap.jet.picture(of: Tensor([3], [1, 1]), range: 3...3)
    #expect(constant.samples == [127, 0, 0])
  }
}
