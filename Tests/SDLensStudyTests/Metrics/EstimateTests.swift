import SDLensCore
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Figures with n and interval.
@Suite struct EstimateTests {
  /// The area of some pairs, counted one by one.
  private func area(_ scores: [Float], _ positive: [Bool]) -> Double {
    var (sum, pairs) = (0.0, 0.0)
    for (a, isPositive) in zip(scores, positive) where isPositive {
      for (b, isOther) in zip(scores, positive) where !isOther {
        sum += a > b ? 1 : a == b ? 0.5 : 0
        pairs += 1
      }
    }
    return sum / pairs
  }

  /// 60 groups of 4 rows; the scores of a group move together, and some are equal.
  private func groups() -> (scores: [Float], positive: [Bool]) {
    var random = PCG64(seed: 5)
    var (scores, positive): ([Float], [Bool]) = ([], [])
    for _ in 0..<60 {
      let shift = Float(random.integer(below: 8))
      for _ in 0..<4 {
        let isPositive = random.integer(below: 3) == 0
        scores.append(shift + Float(random.integer(below: 8)) + (isPositive ? 3 : 0))
        positive.append(isPositive)
      }
    }
    return (scores, positive)
  }

  @Test func theAreaIsThatOfItsPairs() throws {
    let (scores, positive) = groups()
    let parts = try #require(AUROCParts(scores, positive: positive, rows: 4))
    #expect(abs(parts.area - area(scores, positive)) < 1e-12)
    #expect(parts.area == AUROC.area(scores, positive: positive))
    #expect(parts.parts.count == 60 && abs(parts.parts.reduce(0, +)) < 1e-12)
    #expect(AUROCParts([1, 2], positive: [true, true], rows: 1) == nil)
    #expect(AUROCParts([], positive: [], rows: 4) == nil)
  }

  @Test func ofSingleRowsTheVarianceIsDeLongs() throws {
    let (scores, positive) = groups()
    let parts = try #require(AUROCParts(scores, positive: positive, rows: 1))
    let (above, below) = (
      zip(scores, positive).filter(\.1).map(\.0), zip(scores, positive).filter { !$1 }.map(\.0)
    )
    func share(_ score: Float, over others: [Float]) -> Double {
      others.reduce(0) { $0 + (score > $1 ? 1 : score == $1 ? 0.5 : 0) } / Double(others.count)
    }
    func variance(_ values: [Double]) -> Double {
      let mean = Bootstrap.mean(values)
      return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
        / Double(values.count)
    }
    let wanted =
      variance(above.map { share($0, over: below) }) + variance(below.map { 1 - share($0, over: above) })
    let interval = try #require(parts.estimate.interval)
    let found = (interval[1] - interval[0]) / 2 / 1.959964
    // DeLong divides by P − 1 and N − 1, the parts by their number less one.
    #expect(abs(found * found / wanted - 1) < 0.02)
    #expect(parts.estimate.n == 240)
  }

  @Test func ofGroupsTheIntervalIsThatOfGroupsDrawnAnew() throws {
    let (scores, positive) = groups()
    let estimate = try #require(AUROCParts(scores, positive: positive, rows: 4)).estimate
    let drawn = try #require(
      Bootstrap().interval((0..<60).map(Double.init)) { groups in
        let rows = groups.flatMap { group in (0..<4).map { Int(group) * 4 + $0 } }
        return self.area(rows.map { scores[$0] }, rows.map { positive[$0] })
      })
    let interval = try #require(estimate.interval)
    #expect(estimate.n == 60)
    #expect(abs(interval[0] - drawn.lowerBound) < 0.02 && abs(interval[1] - drawn.upperBound) < 0.02)
    // Rows of a group are no pictures of their own.
    let alone = try #require(AUROCParts(scores, positive: positive, rows: 1)?.estimate.interval)
    #expect(interval[1] - interval[0] > 1.05 * (alone[1] - alone[0]))
  }

  @Test func partsOfMeansAreMeansOfParts() throws {
    let (scores, positive) = groups()
    let one = try #require(AUROCParts(scores, positive: positive, rows: 4))
    let opposite = try #require(AUROCParts(scores.map { -$0 }, positive: positive, rows: 4))
    // An area and its opposite: always 1/2 together, whatever is drawn.
    let mean = try #require(AUROCParts(meanOf: [one, opposite])).estimate
    #expect(abs(mean.value - 0.5) < 1e-12)
    let interval = try #require(mean.interval)
    #expect(interval[1] - interval[0] < 1e-9)
    #expect(AUROCParts(meanOf: [one, one]) == one)
    #expect(AUROCParts(meanOf: []) == nil)
  }

  @Test func oneAloneHasNoInterval() throws {
    #expect(Estimate(meanOf: []) == nil)
    #expect(Estimate(meanOf: [0.3]) == Estimate(0.3, n: 1, interval: nil))
    #expect(Estimate(0.3, n: 1, interval: 0...1).interval == nil)
    let ratio = try #require(Estimate(ratioOf: [(part: 1, whole: 4), (part: 3, whole: 4)]))
    #expect(ratio.value == 0.5 && ratio.n == 2 && ratio.interval == [0.25, 0.75])
    #expect(Estimate(ratioOf: [(part: 1, whole: 0)]) == nil)
  }

  @Test func explainedVarianceIsThatOfAllPictures() throws {
    let pictures = (0..<5).map { picture in
      var variance = ExplainedVariance(width: 3)
      let vectors = Tensor.random([8, 3], seed: picture)
      variance.add(vectors, Tensor(vectors.elements.map { $0 * 0.9 }, [8, 3]))
      return variance
    }
    let found = try #require(ReconstructionError.explainedVariance(pictures))
    var all = ExplainedVariance(width: 3)
    for picture in 0..<5 {
      let vectors = Tensor.random([8, 3], seed: picture)
      all.add(vectors, Tensor(vectors.elements.map { $0 * 0.9 }, [8, 3]))
    }
    #expect(abs(found.value - (try #require(all.global))) < 1e-12 && found.n == 5)
    let interval = try #require(found.interval)
    #expect(interval[0] <= found.value && found.value <= interval[1] && interval[1] < 1)
    #expect(ReconstructionError.explainedVariance([]) == nil)
  }

  @Test func sharesOfFeaturesHaveIntervals() throws {
    let shares = try #require(DictionaryDensity.shares([0, 0.01, 0.001, 0.5, 0.2, 0, 0.3, 0.1]))
    let density = DictionaryDensity([0, 0.01, 0.001, 0.5, 0.2, 0, 0.3, 0.1])
    #expect(shares.dead.value == density.dead && shares.dead.n == 8)
    #expect(shares.dense.value == density.dense && shares.dense.interval != nil)
    #expect(DictionaryDensity.shares([]) == nil)
  }
}
