import Foundation
import SDLensCore
import SDLensStudy
import Testing

/// Sums over prompts and features of what edits of `shapes` did.
@Suite struct SteeringTests {
  private func result(
    _ target: Int, _ before: Double, _ lowered: Double, _ raised: Double, presence: Double? = 1
  ) throws -> Steering.PictureResult {
    func effect(_ probability: Double, _ change: Double) -> String {
      let presence = presence.map { ",\"presence\":\($0)" } ?? ""
      return "{\"probability\":\(probability),\"inside\":\(change),\"outside\":\(change / 4)\(presence)}"
    }
    let text =
      "{\"target\":\(target),\"before\":\(effect(before, 0)),\"lowered\":\(effect(lowered, 0.2)),"
      + "\"raised\":\(effect(raised, 0.1))}"
    return try JSONDecoder().decode(Steering.PictureResult.self, from: Data(text.utf8))
  }

  private func target(_ feature: Int, _ value: String) throws -> Steering.Target {
    let value = ShapesWorld.FactorValue.all.first { $0.factor == .colour && $0.value == value }
    return Steering.Target(feature: feature, value: try #require(value), auroc: 0.9)
  }

  @Test func meansAreThoseOfPicturesThenOfFeatures() throws {
    let first = try [(0.9, 0.1, 0.95), (0.8, 0.2, 0.7), (0.9, 0.895, 0.9), (0.5, 0.1, 0.495), (0.9, 0.4, 1)]
      .map { try result(0, $0, $1, $2) }
    let second = try (0..<5).map { _ in try result(2, 0.6, 0.2, 0.6, presence: nil) }
    let few = [try result(1, 0.5, 0.1, 0.5)]
    let summary = SteeringSummary(
      try [target(7, "red"), target(9, "blue"), target(3, "green")], second + few + first)
    #expect(summary.rows.map(\.pictures) == [5, 1, 5])
    #expect(summary.skipped == 1 && summary.rows[1].means.isEmpty)
    func isClose(_ found: Double?, _ wanted: Double) -> Bool { abs((found ?? .nan) - wanted) < 1e-12 }
    #expect(isClose(summary.rows[0][.probability], 0.8))
    #expect(isClose(summary.rows[0][.loweredProbability], 0.339))
    // The second falls with +, the third does not fall with − by more than the margin.
    #expect(isClose(summary.rows[0][.works], 0.6))
    #expect(isClose(summary.rows[0][.loweredInside], 0.2) && isClose(summary.rows[0][.raisedOutside], 0.025))
    #expect(summary.rows[2][.presence] == nil && summary.rows[0][.presence] == 1)
    // Each feature counts once.
    #expect(isClose(summary.means["probability"]?.value, 0.7))
    #expect(isClose(summary.means["works"]?.value, 0.8))
    let interval = try #require(summary.means["works"]?.interval)
    #expect(interval[0] >= 0.6 && interval[1] <= 1 && interval[0] < interval[1])
    #expect(summary.means["presence"]?.interval == nil)
  }

  @Test func withoutPicturesThereIsNothing() throws {
    let summary = SteeringSummary([try target(7, "red")], [])
    #expect(summary.skipped == 1 && summary.means.isEmpty && summary.rows[0].pictures == 0)
    #expect(SteeringSummary([], []).rows.isEmpty)
  }

  @Test func changesAreWeightedByTheMask() {
    let before = Tensor(repeating: 0.5, [1, 2, 2, 3])
    var after = before
    for channel in 0..<3 { (after[channel], after[9 + channel]) = (0.9, 0.3) }
    func isClose(_ found: Double?, _ wanted: Double) -> Bool { abs((found ?? .nan) - wanted) < 1e-6 }
    #expect(isClose(PixelChange.mean(before, after), 0.15))
    let change = PixelChange.means(before, after, mask: [1, 0.5, 0, 0])
    #expect(isClose(change.inside, 0.4 / 1.5) && isClose(change.outside, 0.2 / 2.5))
    let none = PixelChange.means(before, after, mask: [0, 0, 0, 0])
    #expect(none.inside == nil && isClose(none.outside, 0.15))
    #expect(PixelChange.means(before, after, mask: [1, 1, 1, 1]).outside == nil)
  }

  @Test func ratiosAreDrawnInPairs() throws {
    let values = [0.1, 0.7, 0.4, 0.9, 0.2]
    let found = try #require(Bootstrap().interval(ofRatio: values.map { (part: $0, whole: 1) }))
    let mean = try #require(Bootstrap().interval(values))
    #expect(
      abs(found.lowerBound - mean.lowerBound) < 1e-12 && abs(found.upperBound - mean.upperBound) < 1e-12)
    // In proportion, whatever is drawn.
    let same = try #require(Bootstrap().interval(ofRatio: values.map { (part: $0 / 2, whole: $0) }))
    #expect(abs(same.lowerBound - 0.5) < 1e-12 && abs(same.upperBound - 0.5) < 1e-12)
    #expect(Bootstrap().interval(ofRatio: [(part: 1, whole: 0)]) == nil)
    let mostlyZero = [(part: 1.0, whole: 2.0), (0, 0), (0, 0), (0, 0)]
    #expect(Bootstrap().interval(ofRatio: mostlyZero) == 0.5...0.5)
  }
}
