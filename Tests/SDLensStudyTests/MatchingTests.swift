import SDLensCore
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Matches of features with labels, against SciPy and scikit-learn: `Scripts/goldens/matching.py`.
@Suite struct MatchingTests {
  private struct Results: Decodable {
    struct Case: Decodable {
      let rows, columns: Int
      let scores: [Double]
      let result: [Int?]
    }
    struct Label: Decodable {
      let column: Int
      let negative: Bool
      let chosen: Double
      let threshold: Float
      let best: Int
      let correlation, precision, recall, f1, absorption: Double
    }
    struct Match: Decodable {
      let labels: [Label?]
      let intervals: [String: [Double]]
    }
    let assignments: [Case]
    let matches: [String: Match]
    let shrinkage: Double
  }

  private let results: Results
  private let tensors: Safetensors
  private let inputs: Safetensors

  init() throws {
    let goldens = Goldens()
    results = try goldens.json("matching.json")
    tensors = try goldens.tensors("matching.safetensors")
    inputs = try goldens.tensors("truth.safetensors")
  }

  // scipy.optimize.linear_sum_assignment(scores, maximize=True)
  @Test func assignmentsAreThoseOfSciPy() {
    #expect(results.assignments.count == 7)
    for golden in results.assignments {
      let scores = Matrix(golden.scores, rows: golden.rows, columns: golden.columns)
      #expect(Assignment.largest(scores) == golden.result, "\(golden.rows) × \(golden.columns)")
    }
  }

  @Test func assignmentsAreTheBestOfAll() {
    /// The largest sum of all ways to give rows columns of their own.
    func best(_ scores: Matrix, _ row: Int = 0, _ taken: Set<Int> = []) -> Double {
      guard row < scores.rows else { return 0 }
      return (0..<scores.columns).filter { !taken.contains($0) }.map {
        scores[row, $0] + best(scores, row + 1, taken.union([$0]))
      }.max() ?? 0
    }
    for seed in 0..<60 {
      let (rows, columns) = (1 + seed % 5, 5 + seed % 3)
      // Few distinct numbers: many ties.
      let values = Tensor.random([rows * columns], seed: seed).elements.map { Double(($0 * 3).rounded()) }
      let scores = Matrix(values, rows: rows, columns: columns)
      let found = Assignment.largest(scores)
      let taken = found.compactMap(\.self)
      #expect(taken.count == rows && Set(taken).count == rows)
      #expect(found.enumerated().reduce(0) { $0 + scores[$1.offset, $1.element ?? 0] } == best(scores))
    }
    #expect(Assignment.largest(Matrix(rows: 0, columns: 3)).isEmpty)
  }

  /// The scorers of the golden's codes and vectors.
  private func scorers() throws -> (codes: FactorScorer, vectors: FactorScorer) {
    var codes = FactorScorer(features: 30)
    var dense = FactorScorer(directions: 6)
    let (indices, values) = (try inputs.tensor("codes.indices"), try inputs.tensor("codes.values"))
    let (picture, place) = (try inputs.tensor("codes.picture"), try inputs.tensor("codes.place"))
    let vectors = try inputs.tensor("codes.vectors").reshaped([40 * 16, 6])
    func bits(_ halves: Tensor, _ row: Int) -> UInt64 {
      UInt64(halves[2 * row]) | UInt64(halves[2 * row + 1]) << 16
    }
    for index in 0..<40 {
      let slots = index * 64..<(index + 1) * 64
      let truth = ShapesTruth(
        picture: bits(picture, index), places: (0..<16).map { bits(place, index * 16 + $0) })
      codes.add(
        Codes(
          rows: 16, slots: 4, indices: slots.map { Int32(indices[$0]) }, values: slots.map { values[$0] }),
        truth)
      dense.add(vectors.rows(index * 16..<(index + 1) * 16), truth)
    }
    return (codes, dense)
  }

  private func expectSame(_ found: MatchedFeatures, _ name: String, absorbs: Bool) throws {
    let golden = try #require(results.matches[name])
    let wanted = golden.labels
    #expect(found.matches.count == wanted.count && wanted.contains { $0 == nil })
    for (label, (found, wanted)) in zip(found.matches, wanted).enumerated() {
      #expect((found == nil) == (wanted == nil), "\(name) \(label)")
      guard let found, let wanted else { continue }
      #expect(
        found.column == wanted.column && found.isNegative == wanted.negative && found.best == wanted.best,
        "\(name) \(label)")
      #expect(found.threshold == wanted.threshold, "\(name) \(label)")
      let figures = found.figures
      expectClose(
        [found.chosen, figures.correlation, figures.precision, figures.recall, figures.f1],
        [wanted.chosen, wanted.correlation, wanted.precision, wanted.recall, wanted.f1], within: 1e-12)
      if absorbs { expectClose([figures.absorption], [wanted.absorption], within: 1e-15) }
    }
    let summary = try #require(MatchSummary(found, wanted.indices, hasDirections: absorbs))
    for (estimate, name) in [(summary.mcc, "mcc"), (summary.f1, "f1")] {
      let wanted = try #require(golden.intervals[name])
      expectClose([estimate.value] + (estimate.interval ?? []), wanted, within: 1e-11)
    }
    #expect((summary.absorption != nil) == absorbs)
    let best = wanted.compactMap { $0?.best }
    #expect(summary.uniqueness == Double(Set(best).count) / Double(best.count))
  }

  // linear_sum_assignment of numpy.corrcoef on the even pictures, precision_recall_curve there, detectors on the odd ones.
  @Test func matchesAreThoseOfSciPyAndScikitLearn() throws {
    let (codes, vectors) = try scorers()
    let matches = codes.matches(directions: try tensors.tensor("directions"))
    try expectSame(matches.pictures, "pictures", absorbs: true)
    try expectSame(matches.places, "places", absorbs: true)
    try expectSame(vectors.matches().places, "signed", absorbs: false)
  }

  /// A feature that is silent on the measured half tells nothing there, and counts as that.
  @Test func whatIsSilentWhereItIsMeasuredCountsAsNothing() throws {
    func half(_ columns: [[Float]]) -> MatchedFeatures.Half {
      var (scores, labels) = (SparseColumns(count: columns.count), RowLabels(count: 2))
      for row in 0..<4 {
        scores.append(columns.map { $0[row] })
        labels.append(row < 2 ? 1 : 2)
      }
      return (scores, labels)
    }
    let silent: [Float] = [0, 0, 0, 0]
    let choosing = half([[2, 1, 0, 0], [0, 0, 1, 3], silent])
    let found = MatchedFeatures(choosing: choosing, measuring: half([silent, [0, 0, 2, 2], silent]))
    let matches = try found.matches.map { try #require($0) }
    #expect(matches.map(\.column) == [0, 1], "a column that never changes is taken last")
    #expect(matches.map(\.figures.correlation) == [0, 1] && matches.map(\.figures.f1) == [0, 1])
    let summary = try #require(MatchSummary(found, [0, 1], hasDirections: false))
    #expect(summary.mcc.value == 0.5 && summary.f1.value == 0.5, "the silent one is not left out of the mean")
    // With fewer features than labels one label gets what never changes, and its figures are numbers.
    let poor = MatchedFeatures(
      choosing: half([silent, [0, 0, 1, 3]]), measuring: half([silent, [0, 0, 2, 2]]))
    #expect(
      poor.matches.compactMap { $0 }.allSatisfy { $0.chosen.isFinite && $0.figures.correlation.isFinite })
    #expect(poor.matches[0]?.chosen == 0 && poor.matches[0]?.figures.correlation == 0)
  }

  @Test func oneColumnForEachLabelIsTakenAsItIs() throws {
    let scorer = try scorers().codes
    // Columns 0 to 30 of another order: label i has column i, however bad.
    var columns = SparseColumns(count: 31)
    for row in 0..<scorer.choosing.pictures.rows { columns.append((0..<31).map { Float(($0 + row) % 7) }) }
    let half = (columns, scorer.choosing.pictureLabels)
    let found = MatchedFeatures(choosing: half, measuring: half, isOwn: true)
    for (label, match) in found.matches.enumerated() { if let match { #expect(match.column == label) } }
    #expect(found.matches.contains { $0 != nil })
  }

  // (y ** 2).sum() / (x * y).sum()
  @Test func shrinkageIsThatOfNumPy() throws {
    let (x, y) = (try tensors.tensor("x"), try tensors.tensor("y"))
    // Codes that decode to y: one feature for each vector.
    let autoencoder = SparseAutoencoder(
      k: 1, encoder: Tensor([30, 8]), decoder: y.reshaped([30, 8]), preBias: Tensor(repeating: 2, [8]),
      latentBias: Tensor([30]))
    var shrinkage = Shrinkage()
    #expect(shrinkage.estimate == nil)
    for picture in 0..<5 {
      let codes = Codes(
        rows: 6, slots: 1, indices: (0..<6).map { Int32(picture * 6 + $0) },
        values: Array(repeating: 1, count: 6))
      let rows = x.picture(picture).reshaped([6, 8]).elements.map { $0 + 2 }
      shrinkage.add(Tensor(rows, [6, 8]), codes, autoencoder)
    }
    let estimate = try #require(shrinkage.estimate)
    expectClose([estimate.value], [results.shrinkage], within: 1e-6)
    #expect(estimate.n == 5 && estimate.interval != nil)
  }
}
