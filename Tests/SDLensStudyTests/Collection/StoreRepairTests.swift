import SDLensStudy
import Testing

@Suite struct StoreRepairTests {
  @Test(arguments: [
    ([], ""), ([4], "4"), ([1, 2], "1-2"), ([1, 3, 4, 5, 9], "1,3-5,9"), ([0, 2, 4], "0,2,4"),
  ])
  func numbersAreListedAsRanges(numbers: [Int], text: String) { #expect(StoreRepair.ranges(numbers) == text) }
}
