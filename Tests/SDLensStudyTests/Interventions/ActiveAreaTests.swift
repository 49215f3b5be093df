import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

/// Where a feature acts, and how much a picture changes there.
@Suite struct ActiveAreaTests {
  // A patch is inside when its activation is larger than those of half of the patches.
  @Test func insideIsAboveHalfOfThePatchesAndOutsideIsZero() {
    for seed in 0..<50 {
      let count = 9 + seed % 3 * 3
      // Few distinct values, so that there are ties; the more zeros, the larger the seed.
      let map = Tensor.random([count], seed: seed).elements
        .map { max(0, ($0 * 2 - Float(seed) / 15).rounded()) }
      let area = ActiveArea(height: 3, width: count / 3, activations: map)
      for (patch, value) in map.enumerated() {
        let smaller = map.count { $0 < value }
        #expect(area.inside[patch] == (value > 0 && 2 * smaller >= count), "\(value) in \(map)")
        #expect(area.outside[patch] == (value == 0))
      }
    }
  }

  @Test func constantMaps() {
    let none = ActiveArea(height: 2, width: 2, activations: [0, 0, 0, 0])
    #expect(none.inside == [false, false, false, false] && none.outside == [true, true, true, true])
    let all = ActiveArea(height: 2, width: 2, activations: [3, 3, 3, 3])
    #expect(all.inside == none.inside && all.outside == none.inside && all.share == 0)
    let one = ActiveArea(height: 1, width: 1, activations: [2])
    #expect(one.inside == [false] && one.outside == [false])
  }

  @Test func distancesAreSumsOverColours() {
    // 2 × 4 pixels under a map of 1 × 2: the left half is inside, the right outside.
    let area = ActiveArea(height: 1, width: 2, activations: [5, 0])
    let before = Picture(width: 4, height: 2, samples: [UInt8](repeating: 100, count: 24))
    var after = before
    after.samples[0] = 110  // left, above
    after.samples[1] = 70
    after.samples[17] = 101  // left, below
    after.samples[23] = 0  // right, below
    let change = PictureChange(from: before, to: after, area: area)
    #expect(change.inside == 41.0 / 4 && change.outside == 25 && change.overall == 141.0 / 8)
    let plain = PictureChange(from: before, to: after)
    #expect(plain.inside == nil && plain.outside == nil && plain.overall == 141.0 / 8)
    let nowhere = ActiveArea(height: 1, width: 2, activations: [5, 5])
    #expect(PictureChange(from: before, to: after, area: nowhere).inside == nil)
    let black = Picture(width: 1, height: 1, samples: [0, 0, 0])
    let white = Picture(width: 1, height: 1, samples: [255, 255, 255])
    #expect(PictureChange(from: black, to: white).overall == 765)
  }

  @Test func rowsAndColumnsAreNotExchanged() {
    let area = ActiveArea(height: 2, width: 3, activations: [0, 0, 1, 0, 0, 0])
    let before = Picture(width: 6, height: 4, samples: [UInt8](repeating: 0, count: 72))
    for y in 0..<4 {
      for x in 0..<6 {
        var after = before
        after.samples[(y * 6 + x) * 3] = 60
        let change = PictureChange(from: before, to: after, area: area)
        #expect((change.inside == 15) == (y < 2 && x >= 4), "\(x), \(y)")
        #expect((change.outside == 3) == !(y < 2 && x >= 4), "\(x), \(y)")
      }
    }
  }
}
