import Foundation
import SDLensCore
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// What steering is made of: swaps, groups of features, sums over what became of them.
@Suite struct SteeringTests {
  private func value(_ factor: ShapesWorld.Factor, _ name: String) throws -> ShapesWorld.FactorValue {
    try #require(ShapesWorld.FactorValue.all.first { $0.factor == factor && $0.value == name })
  }

  // MARK: Swaps

  private func swapped(_ caption: String, _ factor: ShapesWorld.Factor, _ name: String) throws -> String? {
    try ValueSwap(ShapesGrammar.read(caption).scene, value(factor, name), index: 3).map {
      "\($0.other.value): \(ShapesGrammar.caption($0.with))"
    }
  }

  @Test func swapsChangeTheFirstObjectOrTheBackground() throws {
    let caption = "a small red star on the left and a ring at the top, on a teal background"
    #expect(
      try swapped(caption, .colour, "blue")
        == "red: a small blue star on the left and a ring at the top, on a teal background")
    #expect(try swapped(caption, .shape, "cross")?.hasPrefix("star: a small red cross on the left") == true)
    #expect(try swapped(caption, .texture, "dotted")?.hasPrefix("plain: a small red dotted star") == true)
    #expect(try swapped(caption, .place, "centre")?.contains("star in the centre and a ring") == true)
    #expect(
      try swapped(caption, .background, "navy")
        == "teal: a small red star on the left and a ring at the top, on a navy background")
    // Another object is there; it has the value, or its default is it; there is no object.
    #expect(try swapped(caption, .place, "top") == nil)
    #expect(try swapped(caption, .size, "small") == nil && swapped("a star", .size, "large") == nil)
    #expect(try swapped("an empty navy background", .background, "pink") == nil)
    #expect(try swapped("a star", .background, "gray") == nil)
  }

  @Test func whatIsKeptLeavesTheChangedFactorOut() throws {
    let scene = ShapesGrammar.read("a small red star on the left and a ring at the top").scene
    let swap = try #require(ValueSwap(scene, value(.colour, "blue"), index: 0))
    func verdict(_ presence: [Double], background: Int = 0) -> ShapesVerdict {
      func sure(_ factor: ShapesWorld.Factor, _ said: [String?]) -> [[Double]] {
        said.map { name in factor.values.map { $0 == name ? 1 : 0 } }
      }
      // left, right, top, bottom, centre
      return ShapesVerdict(
        presence: presence,
        answers: [
          .shape: sure(.shape, ["star", nil, "ring", nil, nil]),
          .colour: sure(.colour, ["blue", nil, "black", nil, nil]),
          .size: sure(.size, ["small", nil, "small", nil, nil]),
          .texture: sure(.texture, ["plain", nil, "plain", nil, nil]),
        ], backgrounds: (0..<7).map { $0 == background ? 1 : 0 })
    }
    let seen = verdict([1, 0, 1, 0, 0])
    #expect(swap.probability(seen) == 1)
    // Of ten things the ring's size is wrong: star, small, plain, left; ring, black, large, plain, top; gray.
    #expect(abs(swap.kept(seen) - 0.9) < 1e-12)
    #expect(abs(swap.kept(verdict([1, 0, 1, 0, 0], background: 2)) - 0.8) < 1e-12)
    #expect(swap.probability(verdict([0.5, 0, 1, 0, 0])) == 0.5)
    // Without the star its four are gone; a swap of places asks for the ring and the background only.
    #expect(abs(swap.kept(verdict([0, 0, 1, 0, 0])) - 0.5) < 1e-12)
    let moved = try #require(ValueSwap(scene, value(.place, "right"), index: 0))
    #expect(moved.probability(seen) == 0 && abs(moved.kept(seen) - 5.0 / 6) < 1e-12)
  }

  // MARK: Groups

  /// A dictionary whose features are the channels, the last with length 2.
  private var channels: SparseAutoencoder {
    var directions = [Float](repeating: 0, count: 25)
    for channel in 0..<5 { directions[channel * 6] = 1 }
    let tensor = Tensor(directions, [5, 5])
    return SparseAutoencoder(
      k: 5, encoder: tensor, decoder: tensor, preBias: Tensor([5]), latentBias: Tensor([5]))
  }

  @Test func theFeaturesThatChangeMostComeFirst() {
    let without = Tensor([1, 0, 2, 0, 0, 1, 0, 0, 0, 3], [2, 5])
    let with = Tensor([1, 0, 0, 1, 0, 1, 5, 0, 0, 3], [2, 5])
    let group = FeatureGroup(4, of: channels, explaining: [(without, with)])
    // 5² of channel 1, 2² of channel 2, 1² of channel 3; nothing else changes.
    #expect(group.candidates == [1, 2, 3])
    #expect(zip(group.explained, [25.0 / 30, 29.0 / 30, 1]).allSatisfy { abs($0 - $1) < 1e-12 })
    let pairs = FeatureGroup(1, of: channels, explaining: [(without, with)]) { $0 / 2 }
    // Channels 2 and 3 together are 5, channels 0 and 1 are 25.
    #expect(pairs.candidates == [0])
    #expect(FeatureGroup(3, of: channels, explaining: [(with, with)]).candidates.isEmpty)
  }

  // Against plain loops over all features in turn, on a dictionary whose directions are not orthogonal.
  @Test func groupsAreThoseOfAPlainPursuit() throws {
    let autoencoder = SparseAutoencoder(
      k: 4, encoder: .random([20, 6], seed: 1), decoder: .random([20, 6], seed: 1, scale: 0.2),
      preBias: .random([6], seed: 3), latentBias: Tensor([20]))
    let pairs = (0..<3).map { (Tensor.random([7, 6], seed: 10 + $0), Tensor.random([7, 6], seed: 20 + $0)) }
    let found = FeatureGroup(5, of: autoencoder, explaining: pairs)
    var left = pairs.map { pair in zip(pair.1.elements, pair.0.elements).map { Double($0) - Double($1) } }
    let maps = pairs.map { (autoencoder.encode($0.0), autoencoder.encode($0.1)) }
    let decoder = autoencoder.decoder.elements
    func change(_ feature: Int, _ pair: Int) -> [Double] {
      let (without, with) = (maps[pair].0.map(of: feature), maps[pair].1.map(of: feature))
      return (0..<42).map {
        (Double(with[$0 / 6]) - Double(without[$0 / 6])) * Double(decoder[feature * 6 + $0 % 6])
      }
    }
    func size(_ left: [[Double]]) -> Double { left.joined().reduce(0) { $0 + $1 * $1 } }
    let whole = size(left)
    var chosen: [Int] = []
    for _ in 0..<5 {
      let after = (0..<20).map { feature in
        left.indices.map { pair in zip(left[pair], change(feature, pair)).map(-) }
      }
      let order = (0..<20).filter { !chosen.contains($0) }.min { size(after[$0]) < size(after[$1]) }
      let best = try #require(order)
      guard size(after[best]) < size(left) else { break }
      left = after[best]
      chosen.append(best)
      let explained = found.explained[chosen.count - 1]
      #expect(abs(explained - (1 - size(left) / whole)) < 1e-9)
    }
    #expect(found.candidates == chosen && chosen.count > 1)
  }

  @Test func meansAreOfLabelledPictures() throws {
    var means = LabelledMeans()
    func add(_ caption: String, _ values: [Float]) { means.add(values, ShapesGrammar.read(caption).scene) }
    add("a red star on the left", [1, 2])
    add("a red ring on the left and a blue star at the top", [3, 4])
    add("a blue ring on the left, on a pink background", [7, 1])
    let (red, blue) = (try value(.colour, "red"), try value(.colour, "blue"))
    #expect(means.difference(red, from: blue, at: .left) == [2 - 7, 3 - 1])
    #expect(means.difference(red, from: blue, at: .top) == nil)
    // Places and backgrounds do not ask where.
    let found = try means.difference(value(.place, "top"), from: value(.place, "left"), at: .centre)
    expectClose((found ?? []).map(Double.init), [3 - 11.0 / 3, 4 - 7.0 / 3], within: 1e-6)
    #expect(
      try means.difference(value(.background, "pink"), from: value(.background, "gray"), at: .top) == [5, -2])
  }

  // MARK: Sums

  private func results(_ outcomes: [(source: String, form: String, side: String, after: [Double])]) throws
    -> [SteeringResult]
  {
    let count = outcomes.first?.after.count ?? 0
    return try (0..<count).map { picture in
      let parts = outcomes.map { outcome in
        """
        {"method": {"source": "\(outcome.source)", "form": "\(outcome.form)"}, "side": "\(outcome.side)", "effect": \
        {"before": \(outcome.side == "on" ? 0 : 1), "after": \(outcome.after[picture]), "elsewhere": 0.25, "kept": 0.5, \
        "keptBefore": 1}}
        """
      }
      let text = "{\"prompt\": \(picture), \"outcomes\": [\(parts.joined(separator: ", "))]}"
      return try JSONDecoder().decode(SteeringResult.self, from: Data(text.utf8))
    }
  }

  private func plan(
    _ value: ShapesWorld.FactorValue, sizes: [(source: String, form: String, side: String, size: Int)]
  )
    throws -> SteeringPlan
  {
    let choices = sizes.map {
      """
      {"method": {"source": "\($0.source)", "form": "\($0.form)"}, "side": "\($0.side)", "size": \($0.size), \
      "strength": 2}
      """
    }
    let text = """
      {"value": {"factor": "\(value.factor.rawValue)", "value": "\(value.value)"}, "prompts": [0, 1], "next": 2, \
      "groups": {}, "choices": [\(choices.joined(separator: ", "))]}
      """
    return try JSONDecoder().decode(SteeringPlan.self, from: Data(text.utf8))
  }

  @Test func answersSayWhereAValueIsLost() throws {
    let names = ["red", "green", "blue", "black", "white"]
    let found = try names.map { name -> (SteeringPlan, [SteeringResult]) in
      let value = try value(.colour, name)
      let on: [(String, String, [Double])] =
        switch name {
        case "red":
          [
            ("features", "direction", [0.9, 0.8]), ("features", "map", [1, 1]),
            ("whole update", "transplant", [1, 1]),
          ]
        case "green":
          [("features", "map", [1, 0.5]), ("all features", "transplant", [0.8, 0.8])]
        case "blue": [("all features", "transplant", [0, 0.9]), ("whole update", "transplant", [1, 1])]
        case "black": [("whole update", "transplant", [0.7, 0.8])]
        default: []
        }
      let sizes = [("features", "direction", "on", 5), ("features", "map", "on", 3)]
      return (
        try plan(value, sizes: sizes.map { (source: $0.0, form: $0.1, side: $0.2, size: $0.3) }),
        try results(on.map { (source: $0.0, form: $0.1, side: "on", after: $0.2) })
      )
    }
    let summary = SteeringSummary(found.map { (plan: $0.0, results: $0.1) })
    #expect(
      summary.rows.map { $0.answer(.on) } == [.steered, .spread, .missing, .elsewhere, .unknown])
    #expect(
      summary.rows.map { $0.answer(.off) } == [.elsewhere, .elsewhere, .elsewhere, .elsewhere, .unknown])
    #expect(SteeringSummary.Answer.allCases.map { summary.count(.on, $0) } == [1, 1, 1, 1, 1])
    // The smallest group that reaches it, not the strongest.
    let smallest = try #require(summary.rows[0].smallest["on"])
    #expect(smallest.size == 3 && smallest.method.form == .map && smallest.strength == 2)
    #expect(summary.rows[1].smallest.isEmpty && summary.rows[0].measured == 2 && summary.rows[0].chosen == 2)
    let whole = try #require(
      summary.cells.first { $0.method.source == .update && $0.side == .on })
    // Each picture counts once: 1, 1, 1, 1, 0.7, 0.8.
    #expect(whole.after.n == 6 && abs(whole.after.value - 5.5 / 6) < 1e-12 && whole.reached == 2)
    #expect(whole.kept.value == 0.5 && whole.keptBefore.value == 1 && whole.elsewhere.value == 0.25)
    #expect(SteeringSummary([]).rows.isEmpty)
  }

  @Test func goalsAreReached() {
    #expect(SteeringMethod.Side.on.isReached(0.8) && !SteeringMethod.Side.on.isReached(0.79))
    #expect(SteeringMethod.Side.off.isReached(0.1) && !SteeringMethod.Side.off.isReached(0.11))
    #expect(Set(SteeringMethod.all).count == SteeringMethod.all.count && SteeringMethod.all.count == 11)
  }

  // MARK: Changes

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
    // Sums beyond a Double tell nothing, and end nothing.
    let large = [1e308, -1e308, 1e308, 0.5]
    #expect(Bootstrap().interval(ofRatio: large.map { (part: $0, whole: 1) }) == nil)
    #expect(Estimate(ofRepetitions: large)?.interval == nil)
    let same = try #require(Bootstrap().interval(ofRatio: values.map { (part: $0 / 2, whole: $0) }))
    #expect(abs(same.lowerBound - 0.5) < 1e-12 && abs(same.upperBound - 0.5) < 1e-12)
    #expect(Bootstrap().interval(ofRatio: [(part: 1, whole: 0)]) == nil)
    let mostlyZero = [(part: 1.0, whole: 2.0), (0, 0), (0, 0), (0, 0)]
    #expect(Bootstrap().interval(ofRatio: mostlyZero) == 0.5...0.5)
  }
}
