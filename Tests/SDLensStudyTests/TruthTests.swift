import Foundation
import SDLensCore
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Scores against truth, against scikit-learn and NumPy (`Scripts/goldens/truth.py`).
@Suite struct TruthTests {
  private struct Results: Decodable {
    struct Probe: Decodable {
      let c: Double
      let classes: Int
      let accuracy: Double
      private enum CodingKeys: CodingKey { case c, classes, accuracy, logits }
      let logits: [Double]

      init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        c = try values.decode(Double.self, forKey: .c)
        classes = try values.decode(Int.self, forKey: .classes)
        accuracy = try values.decode(Double.self, forKey: .accuracy)
        let rows = try? values.decode([[Double]].self, forKey: .logits)
        logits = try rows?.flatMap(\.self) ?? values.decode([Double].self, forKey: .logits)
      }
    }
    struct Best: Decodable {
      let column: Int
      let chosen, measured: Double
    }
    struct SparseProbe: Decodable {
      let label, k: Int
      let features: [Int]
      let accuracy, auroc: Double
    }
    struct Interval: Decodable {
      let values: [Double]
      let samples: Int
      let confidence: Double
      let seed: UInt64
      let mean, maximum: [Double]
      let average, deviation: Double
    }
    let areas: [[Double?]]
    let variances, mean, explained: [Double]
    let directions: [[Double]]
    let probes: [Probe]
    let best: [String: [Best?]]
    let sparse_probes: [SparseProbe]
    let bootstrap: [Interval]
  }

  private let results: Results
  private let tensors: Safetensors

  init() throws {
    results = try Goldens().json("truth.json")
    tensors = try Goldens().tensors("truth.safetensors")
  }

  // roc_auc_score(labels, scores)
  @Test func areasAreThoseOfScikitLearn() throws {
    let (scores, labels) = (try tensors.tensor("scores"), try tensors.tensor("labels"))
    var rows = RowLabels(count: 5)
    for row in 0..<400 {
      rows.append((0..<5).reduce(0) { $0 | (labels[$1 * 400 + row] > 0 ? 1 << UInt64($1) : 0) })
    }
    var table = SparseColumns(count: 6)
    for row in 0..<400 { table.append((0..<6).map { scores[$0 * 400 + row] }) }
    for column in 0..<6 {
      let found = AUROC.areas(table[column], rows)
      for label in 0..<5 {
        let wanted = results.areas[column][label]
        #expect((found[label] == nil) == (wanted == nil))
        expectClose([found[label] ?? 0], [wanted ?? 0], within: 1e-14)
        let alone = AUROC.area(
          (0..<400).map { scores[column * 400 + $0] }, positive: (0..<400).map { rows.has(label, row: $0) })
        #expect(alone == found[label])
      }
    }
    #expect(results.areas[0][4] == nil)
  }

  @Test func areasOfKnownCases() {
    #expect(AUROC.area([1, 2, 3], positive: [false, false, true]) == 1)
    #expect(AUROC.area([1, 2, 3], positive: [true, false, false]) == 0)
    #expect(AUROC.area([0, 0, 0, 0], positive: [true, false, true, false]) == 0.5)
    #expect(AUROC.area([-1, 0, 0, 2], positive: [false, true, false, true]) == 0.875)
    #expect(AUROC.area([-0.0, 0, 1], positive: [true, false, false]) == 0.25)
    #expect(AUROC.area([1, 2], positive: [true, true]) == nil)
    #expect(AUROC.area([], positive: []) == nil)
  }

  // PCA().fit(vectors)
  @Test func componentsAreThoseOfScikitLearn() throws {
    let vectors = try tensors.tensor("vectors")
    var moments = VectorMoments(width: 12)
    for start in stride(from: 0, to: 500, by: 128) {
      moments.add(vectors.rows(start..<min(500, start + 128)))
    }
    let components = try PrincipalComponents(moments)
    #expect(moments.count == 500)
    expectClose(components.variances, results.variances, within: 1e-11)
    expectClose(components.mean, results.mean, within: 1e-12)
    expectClose(
      components.directions.elements.map(Double.init), results.directions.flatMap(\.self), within: 1e-7)
    expectClose((1...12).map(components.explainedVariance), results.explained, within: 1e-11)
  }

  @Test func nothingVaries() throws {
    var moments = VectorMoments(width: 3)
    moments.add(Tensor(repeating: 2, [4, 3]))
    #expect(try PrincipalComponents(moments).explainedVariance(of: 2) == 0)
    #expect(moments.mean == [2, 2, 2])
  }

  @Test func randomDirectionsHaveLengthOne() {
    let directions = RandomDirections.make(20, width: 6, seed: 3)
    for row in 0..<20 {
      let square = directions.elements[row * 6..<row * 6 + 6].reduce(0) { $0 + $1 * $1 }
      #expect(abs(square - 1) < 1e-6)
    }
    #expect(RandomDirections.make(20, width: 6, seed: 4).differs(from: directions))
  }

  // LogisticRegression(C=c).fit(StandardScaler().fit_transform(train), classes)
  @Test(arguments: 0..<4) func probesAreThoseOfScikitLearn(index: Int) throws {
    let golden = results.probes[index]
    let x = Matrix(try tensors.tensor("vectors"))
    let classes = try tensors.tensor("classes").elements.map { golden.classes == 2 ? Int($0) % 2 : Int($0) }
    let (train, test) = (x.rows(at: Array(0..<300)), x.rows(at: Array(300..<500)))
    let probe = LinearProbe(
      train, classes: Array(classes[..<300]), count: golden.classes, c: golden.c, tolerance: 1e-12)
    let logits = probe.logits(test)
    // Only differences of logits mean anything.
    let found = (0..<200).flatMap { row in
      golden.classes == 2
        ? [logits[row, 1] - logits[row, 0]] : (0..<4).map { logits[row, $0] - logits[row, 0] }
    }
    expectClose(found, golden.logits, within: 1e-6)
    #expect(probe.accuracy(test, classes: Array(classes[300...])) == golden.accuracy)
  }

  @Test func aConstantColumnDoesNoHarm() {
    let x = Matrix([1, 7, 2, 7, 3, 7, 4, 7], rows: 4, columns: 2)
    let probe = LinearProbe(x, classes: [0, 0, 1, 1], count: 2)
    #expect(probe.predictions(x) == [0, 0, 1, 1])
    #expect(probe.weights.elements.allSatisfy(\.isFinite) && probe.weights[0, 1] == 0)
  }

  /// The pictures of the scorer's golden: codes, vectors and truth.
  private func pictures() throws -> [(codes: Codes, vectors: Tensor, truth: ShapesTruth)] {
    let (indices, values) = (try tensors.tensor("codes.indices"), try tensors.tensor("codes.values"))
    let (picture, place) = (try tensors.tensor("codes.picture"), try tensors.tensor("codes.place"))
    let vectors = try tensors.tensor("codes.vectors").reshaped([40 * 16, 6])
    func bits(_ halves: Tensor, _ row: Int) -> UInt64 {
      UInt64(halves[2 * row]) | UInt64(halves[2 * row + 1]) << 16
    }
    return (0..<40).map { index in
      let slots = index * 64..<(index + 1) * 64
      return (
        Codes(
          rows: 16, slots: 4, indices: slots.map { Int32(indices[$0]) }, values: slots.map { values[$0] }),
        vectors.rows(index * 16..<(index + 1) * 16),
        ShapesTruth(picture: bits(picture, index), places: (0..<16).map { bits(place, index * 16 + $0) })
      )
    }
  }

  private func expectSame(_ found: [FactorScores.Best?], _ name: String, width: Int) throws {
    let wanted = try #require(results.best[name])
    #expect(found.count == wanted.count && wanted.contains { $0 == nil } && wanted.contains { $0 != nil })
    for (found, wanted) in zip(found, wanted) {
      #expect((found == nil) == (wanted == nil), "\(name)")
      guard let found, let wanted else { continue }
      #expect(found.feature + (found.isNegative ? width : 0) == wanted.column, "\(name)")
      expectClose([found.chosen, found.measured], [wanted.chosen, wanted.measured], within: 1e-12)
    }
  }

  @Test(arguments: FactorScorer.Pooling.allCases) func bestFeaturesAreThoseOfNumPy(
    pooling: FactorScorer.Pooling
  ) throws {
    var codes = FactorScorer(features: 30, pooling: pooling)
    var dense = FactorScorer(directions: 6, pooling: pooling)
    for picture in try pictures() {
      codes.add(picture.codes, picture.truth)
      dense.add(picture.vectors, picture.truth)
    }
    let (sparse, signed) = (codes.scores(), dense.scores())
    try expectSame(sparse.pictures, "codes.\(pooling)", width: 30)
    try expectSame(sparse.places, "codes.places", width: 30)
    try expectSame(signed.pictures, "vectors.\(pooling)", width: 6)
    try expectSame(signed.places, "vectors.places", width: 6)
    #expect(signed.places.contains { $0?.isNegative == true })
    let shapes = sparse.places.prefix(6).compactMap { $0?.measured }
    expectClose([sparse.mean(of: .shape, in: \.places)?.value ?? 0], [shapes.reduce(0, +) / 6], within: 1e-15)
  }

  @Test func placesAreKeptOfTheFirstPicturesOnly() throws {
    var scorer = FactorScorer(features: 30, placePictures: 5)
    for picture in try pictures() { scorer.add(picture.codes, picture.truth) }
    #expect(scorer.choosing.places.rows == 3 * 16 && scorer.measuring.places.rows == 2 * 16)
    #expect(scorer.choosing.pictures.rows == 20 && scorer.measuring.pictureLabels.rows.count == 20)
  }

  @Test func sparseProbesAreThoseOfScikitLearn() throws {
    var scorer = FactorScorer(features: 30)
    for picture in try pictures() { scorer.add(picture.codes, picture.truth) }
    let (train, test) = (scorer.choosing, scorer.measuring)
    #expect(results.sparse_probes.count == 9)
    for golden in results.sparse_probes {
      let probe = try #require(
        SparseProbe(
          golden.k, label: golden.label, training: (train.pictures, train.pictureLabels),
          test: (test.pictures, test.pictureLabels)))
      #expect(probe.features == golden.features)
      #expect(probe.accuracy == golden.accuracy)
      expectClose([probe.auroc], [golden.auroc], within: 1e-12)
    }
    #expect(
      SparseProbe(
        1, label: 30, training: (train.pictures, train.pictureLabels),
        test: (test.pictures, test.pictureLabels))
        == nil)
  }

  // np.quantile(statistic(values[default_rng(seed).integers(0, n, size=(samples, n))]), ends)
  @Test func intervalsAreThoseOfNumPy() throws {
    for golden in results.bootstrap {
      var bootstrap = Bootstrap()
      (bootstrap.samples, bootstrap.confidence, bootstrap.seed) = (
        golden.samples, golden.confidence, golden.seed
      )
      let mean = try #require(bootstrap.interval(golden.values))
      let maximum = try #require(bootstrap.interval(golden.values) { $0.max() ?? 0 })
      expectClose([mean.lowerBound, mean.upperBound], golden.mean, within: 1e-12)
      expectClose([maximum.lowerBound, maximum.upperBound], golden.maximum, within: 1e-12)
      let moments = try #require(MeanAndDeviation(golden.values))
      expectClose([moments.mean, moments.deviation], [golden.average, golden.deviation], within: 1e-14)
    }
    #expect(Bootstrap().interval([]) == nil)
  }

  @Test(
    arguments: [
      ([0.6, 0.82], 2, ".71 (.11)"), ([80, 92.4], 1, "86.2 (6.2)"), ([-0.5, -0.5], 2, "-.50 (.00)"),
      ([1, 1, 0.994], 2, "1.00 (.00)"), ([0.001, -0.003], 2, ".00 (.00)"), ([-12.5], 1, "-12.5 (.0)"),
    ]) func meansAreWrittenAsInThePaper(values: [Double], decimals: Int, text: String)
  {
    #expect(MeanAndDeviation(values)?.text(decimals: decimals) == text)
    #expect(MeanAndDeviation([]) == nil)
  }
}
