import SDLensStudy
import Testing

/// The grammar of `--features`.
@Suite struct FeatureChoiceTests {
  @Test func whatIsWrittenIsMeant() {
    #expect(FeatureChoice("all") == .all)
    #expect(FeatureChoice("alive") == .alive)
    #expect(FeatureChoice("random:7") == .random(7))
    #expect(FeatureChoice("4539,3-5,4") == .list([3, 4, 5, 4539]))
    #expect(FeatureChoice("0-1048575") == .list(Array(0..<1 << 20)))
  }

  @Test(arguments: [
    "", "3,", "-3", "5-3", "3-", "random:0", "random:1048577", "16777216", "9223372036854775808",
  ])
  func whatIsNoneIsRefused(text: String) { #expect(FeatureChoice(text) == nil) }

  /// Numbers that nobody could wait for.
  @Test func endlessRangesAreRefusedAtOnce() {
    #expect(FeatureChoice("0-16777215") == nil)
    let begin = ContinuousClock.now
    #expect(FeatureChoice(Array(repeating: "0-1048575", count: 4000).joined(separator: ",")) == nil)
    #expect(ContinuousClock.now - begin < .seconds(5))
  }
}
