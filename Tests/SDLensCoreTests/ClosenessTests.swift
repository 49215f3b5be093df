import SDLensCore
import SDLensTestSupport
import Testing

/// The yardstick of all golden tests.
@Suite struct ClosenessTests {
  @Test func theErrorIsRelativeToTheLargestMagnitude() {
    let closeness = Closeness(Tensor([1, 2, 3, -4.5], [2, 2]), to: Tensor([1, 2, 3, -4], [2, 2]))
    #expect(closeness.ratio == 0.125 && closeness.largestError == 0.5)
    #expect(
      closeness.description
        == "-4.5 at [1, 1] of [2, 2], but the reference is -4.0: error 0.125 of its largest magnitude 4.0")
    #expect(Closeness([0, 0], to: [0, 0]).ratio == 0)
    #expect(Closeness([0, 1e-9], to: [0, 0]).ratio == .infinity)
  }

  @Test(arguments: [
    ([Float.nan, 1], [Float(1), 1]), ([1, 1], [1, .nan]), ([.nan, 1], [.nan, 1]),
    ([.infinity, 1], [.infinity, 1]),
    ([1, .infinity], [1, 1]), ([.nan, 5], [1, 1]),
  ])
  func whatIsNotANumberIsNeverClose(found: [Float], wanted: [Float]) {
    #expect(!(Closeness(found, to: wanted).ratio <= 1e30))
  }
}
