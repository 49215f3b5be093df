import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct StatisticsTests {
  private let codes = Codes(
    rows: 4, slots: 2, indices: [0, 1, 0, 2, 1, 0, 0, 3], values: [1, 2, 3, 0, 6, 0, 0, 0])

  @Test func featuresAreCountedWherePositive() throws {
    var counts = FeatureCounts(features: 4)
    counts.add(codes)
    let statistics = counts.statistics
    #expect(statistics.mean == [2, 4, 0, 0])
    #expect(statistics.deviation == [1, 2, 0, 0])
    #expect(statistics.maximum == [3, 6, 0, 0])
    #expect(statistics.density == [0.5, 0.5, 0, 0])
    #expect(statistics.dead == [2, 3])
    #expect(statistics.vectors == 4)
  }

  @Test func quantilesAreWithinTheirBins() {
    var counts = FeatureCounts(features: 1)
    let values = (1...10_000).map { Float($0) / 1000 }
    counts.add(Codes(rows: 10_000, slots: 1, indices: Array(repeating: 0, count: 10_000), values: values))
    for (level, found) in zip(FeatureStatistics.levels, counts.statistics.quantiles) {
      #expect(abs(Double(found) / (level * 10) - 1) < 0.045, "\(level): \(found)")
    }
  }

  @Test func picturesAreOrderedByTheMeanOfTheirMaps() throws {
    var collector = FeatureExampleCollector(features: 4, mapShape: [1, 1, 2], keepsMaps: true)
    collector.add(codes.rows(0..<2), picture: 10)
    collector.add(codes.rows(2..<4), picture: 11)
    let examples = collector.result
    #expect(examples[0] == [.init(picture: 10, strength: 2)])
    #expect(examples[1] == [.init(picture: 11, strength: 3), .init(picture: 10, strength: 1)])
    #expect(examples[2] == [])
    #expect(examples.map(of: 0, rank: 0) == [1, 3])
    #expect(examples.map(of: 1, rank: 1) == [2, 0])
    #expect(examples.map(of: 1, rank: 2) == nil)
  }

  @Test func onlyTheStrongestMapsAreKept() {
    var collector = FeatureExampleCollector(features: 1, mapShape: [1, 1, 1], keepsMaps: true)
    let strengths = (0..<40).map { Float($0 * 17 % 40 + 1) }
    for (picture, strength) in strengths.enumerated() {
      collector.add(Codes(rows: 1, slots: 1, indices: [0], values: [strength]), picture: picture)
    }
    let examples = collector.result
    #expect(examples[0].map(\.strength) == strengths.sorted(by: >))
    for rank in 0..<16 { #expect(examples.map(of: 0, rank: rank) == [Float(40 - rank)]) }
    #expect(examples.map(of: 0, rank: 16) == nil)
    #expect(examples.top(0.05, of: 0).map(\.strength) == [40, 39])
    #expect(examples.top(0.01, of: 0).map(\.strength) == [40])
  }

  @Test func filesComeBackAsTheyWere() throws {
    let folder = try TemporaryFolder()
    var (counts, collector) = (
      FeatureCounts(features: 4), FeatureExampleCollector(features: 4, mapShape: [1, 2, 2], keepsMaps: true)
    )
    counts.add(codes)
    collector.add(codes, picture: 3)
    try counts.statistics.write(to: folder("statistics.safetensors"))
    try collector.result.write(to: folder("examples.safetensors"))
    let statistics = try FeatureStatistics(contentsOf: folder("statistics.safetensors"), features: 4)
    #expect(statistics.mean == counts.statistics.mean && statistics.quantiles == counts.statistics.quantiles)
    #expect(statistics.vectors == 4)
    let examples = try FeatureExamples(contentsOf: folder("examples.safetensors"), features: 4)
    #expect(examples[1] == [.init(picture: 3, strength: 2)])
    #expect(examples.map(of: 1, rank: 0) == [2, 0, 6, 0])
    #expect(examples.mapShape == [1, 2, 2])
    let message = errorMessage {
      _ = try FeatureExamples(contentsOf: folder("examples.safetensors"), features: 5)
    }
    #expect(message.hasSuffix("is of 4 features, not 5; make it again with: sdlens statistics"))
    let other = errorMessage {
      _ = try FeatureStatistics(contentsOf: folder("statistics.safetensors"), features: 5)
    }
    #expect(other.contains("'mean' must be [5] numbers of at least 0"), "\(other)")
  }

  @Test func explainedVariancesFollowTheirFormulas() throws {
    let (x, y) = (
      Tensor.random([50, 3], seed: 1, plus: 4), Tensor.random([50, 3], seed: 2, scale: 0.5, plus: 4)
    )
    var variance = ExplainedVariance(width: 3)
    variance.add(x.rows(0..<20), y.rows(0..<20))
    variance.add(x.rows(20..<50), y.rows(20..<50))
    func moments(_ values: [Double]) -> (mean: Double, variance: Double) {
      let mean = values.reduce(0, +) / Double(values.count)
      return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1))
    }
    var (ratios, error, total) = (0.0, 0.0, 0.0)
    for c in 0..<3 {
      let column = (0..<50).map { Double(x[$0 * 3 + c]) }
      let errors = (0..<50).map { Double(x[$0 * 3 + c] - y[$0 * 3 + c]) }
      ratios += 1 - moments(errors).variance / (moments(column).variance + 1e-8)
      error += errors.reduce(0) { $0 + $1 * $1 }
      total += moments(column).variance * 49
    }
    #expect(abs(try #require(variance.perDimension) - ratios / 3) < 1e-9)
    #expect(abs(try #require(variance.global) - (1 - error / total)) < 1e-9)
  }

  /// Of no vector, of one, and of equal ones, whatever they are and in however many pieces they come.
  @Test(arguments: [Float(0), 0.1, 1e-30, -7e8, 3e38]) func equalVectorsHaveNoVariance(value: Float) {
    var variance = ExplainedVariance(width: 3)
    #expect(variance.global == nil && variance.perDimension == nil)
    for rows in [1, 2, 50] {
      variance.add(Tensor(repeating: value, [rows, 3]), Tensor(repeating: value * 0.9, [rows, 3]))
      #expect(variance.global == nil && variance.perDimension == nil, "\(rows)")
    }
  }

  /// What is far from 0 loses no digits, and what is large no range.
  @Test func variancesFarFromZero() throws {
    for (scale, centre) in [(Float(1), Float(1e6)), (1e37, 0), (1e-20, 0)] {
      var variance = ExplainedVariance(width: 1)
      let x = Tensor([1, 3, 1, 3].map { centre + scale * $0 }, [4, 1])
      variance.add(x, Tensor([1, 3, 1, 1].map { centre + scale * $0 }, [4, 1]))
      #expect(abs(try #require(variance.global)) < 1e-6, "\(scale)")
    }
  }

  /// A dictionary of 2 directions for the vectors of the fixture.
  private func pair(_ scale: Float = 1) -> SparseAutoencoder {
    SparseAutoencoder(
      k: 1, encoder: .random([2, 6], seed: 1, scale: scale), decoder: .random([2, 6], seed: 2),
      preBias: Tensor([6]), latentBias: Tensor([2]))
  }

  @Test func anEvaluationOfEqualVectors() throws {
    let fixture = try StoreFixture(first: Tensor(repeating: 0.7, [120, 6]))
    defer { withExtendedLifetime(fixture) {} }
    let store = try fixture.store()
    let evaluation = try DictionaryEvaluation(of: pair(), block: "down.2.1", in: store)
    #expect(
      evaluation.variance.global == nil && evaluation.variance.perDimension == nil
        && evaluation.components == nil)
    #expect(evaluation.statistics.vectors == 120)
  }

  /// Activations beyond 65504: maps as float32, in the file and back.
  @Test func mapsBeyondHalfPrecision() throws {
    let fixture = try StoreFixture(first: .random([120, 6], seed: 3, scale: 1e6))
    defer { withExtendedLifetime(fixture) {} }
    let store = try fixture.store()
    let evaluation = try DictionaryEvaluation(of: pair(), block: "down.2.1", in: store)
    let folder = try TemporaryFolder()
    try DictionaryFolder.write(evaluation, of: store, to: folder.path)
    #expect(try Safetensors(contentsOf: folder("examples.safetensors")).entry("maps")?.type == .f32)
    let again = try FeatureExamples(contentsOf: folder("examples.safetensors"), features: 2)
    #expect(evaluation.statistics.maximum.max()! > 65504)
    for feature in 0..<2 {
      #expect(again[feature] == evaluation.examples[feature])
      #expect(again.map(of: feature, rank: 0) == evaluation.examples.map(of: feature, rank: 0))
    }
  }

  @Test func activationsBeyondFloatAreNamed() throws {
    let fixture = try StoreFixture(first: .random([120, 6], seed: 3, scale: 1e30))
    defer { withExtendedLifetime(fixture) {} }
    let store = try fixture.store()
    let message = errorMessage { try DictionaryEvaluation(of: pair(1e10), block: "down.2.1", in: store) }
    #expect(
      message.hasPrefix("the activation of feature ") && message.contains(" in picture 0 is inf, too large"),
      "\(message)")
  }

  @Test func anEvaluationGoesThroughTheWholeStore() throws {
    let fixture = try StoreFixture(writing: [0, 2])
    let store = try fixture.store()
    let sae = SparseAutoencoder(
      k: 2, encoder: .random([9, 6], seed: 1), decoder: .random([9, 6], seed: 2), preBias: Tensor([6]),
      latentBias: Tensor([9]))
    let evaluation = try DictionaryEvaluation(of: sae, block: "down.2.1", in: store)
    let vectors = Tensor.stacked([0..<4, 8..<10].map { fixture.vectors["down.2.1"]!.pictures($0) })
    let codes = sae.encode(vectors)
    var counts = FeatureCounts(features: 9)
    counts.add(codes)
    #expect(evaluation.statistics.mean == counts.statistics.mean)
    #expect(evaluation.statistics.vectors == 72)
    // Picture 8 is the fifth of those that are there.
    let strength = codes.rows(48..<60).map(of: 3).reduce(0, +) / 12
    #expect(evaluation.examples[3].first { $0.picture == 8 }?.strength ?? 0 == strength)
    #expect(evaluation.examples.mapShape == [2, 2, 3])
    let wrong = errorMessage { _ = try DictionaryEvaluation(of: sae, block: "mid.0", in: store) }
    #expect(wrong.hasPrefix("the vectors of mid.0 have width 4, but the dictionary is for width 6"))
  }
  // u, s, v = numpy.linalg.svd(h - h.mean(0)); reconstructions by the first components
  @Test func componentsExplainWhatNumPyReconstructs() throws {
    struct Shares: Decodable { let explained, meanExplained: [Double] }
    let goldens = Goldens()
    let wanted: Shares = try goldens.json("components.json")
    let fixture = try StoreFixture(first: goldens.tensors("components.safetensors").tensor("vectors"))
    defer { withExtendedLifetime(fixture) {} }
    let store = try fixture.store()
    let sae = SparseAutoencoder(
      k: 2, encoder: .random([9, 6], seed: 1), decoder: .random([9, 6], seed: 2), preBias: Tensor([6]),
      latentBias: Tensor([9]))
    let components = try #require(try DictionaryEvaluation(of: sae, block: "down.2.1", in: store).components)
    for (index, (total, mean)) in zip(wanted.explained, wanted.meanExplained).enumerated() {
      #expect(abs(components.explainedVariance(of: index + 1) - total) < 1e-10, "\(index)")
      #expect(abs(components.meanExplainedVariance(of: index + 1) - mean) < 1e-6, "\(index)")
    }
    let again = try DictionaryEvaluation(of: sae, block: "down.2.1", in: store, components: components)
    #expect(again.components?.variances == components.variances)
  }

  /// A dictionary that is the principal components explains what they explain: both are measured alike.
  @Test func componentsAndDictionariesAreMeasuredAlike() throws {
    let vectors = Tensor.random([200, 5], seed: 3, plus: 2)
    var moments = VectorMoments(width: 5)
    moments.add(vectors)
    let components = try PrincipalComponents(moments)
    var variance = ExplainedVariance(width: 5)
    variance.add(vectors, reconstruction(vectors, components, count: 2))
    #expect(abs(try #require(variance.global) - components.explainedVariance(of: 2)) < 1e-6)
    #expect(abs(try #require(variance.perDimension) - components.meanExplainedVariance(of: 2)) < 1e-6)
  }

  private func reconstruction(_ vectors: Tensor, _ components: PrincipalComponents, count: Int) -> Tensor {
    var result: [Float] = []
    for row in 0..<vectors.rows {
      var sum = components.mean
      for index in 0..<count {
        let direction = (0..<5).map { Double(components.directions[index * 5 + $0]) }
        let length = (0..<5).reduce(0) {
          $0 + direction[$1] * (Double(vectors[row * 5 + $1]) - components.mean[$1])
        }
        for c in 0..<5 { sum[c] += length * direction[c] }
      }
      result += sum.map(Float.init)
    }
    return Tensor(result, vectors.shape)
  }
}
