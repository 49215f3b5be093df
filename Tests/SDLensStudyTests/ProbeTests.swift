import Foundation
import SDLensCore
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Linear probes of recorded vectors, against scikit-learn: `Scripts/goldens/probe.py`.
@Suite struct ProbeTests {
  private struct Results: Decodable {
    struct Fit: Decodable {
      let weights: [Double]
      let bias, r2, error: Double
    }
    let kinds: [String]
    let numbers: [[Double]]
    let rows, columns, kind: Double
    let number: Fit
  }

  private let results: Results
  private let folder: TemporaryFolder
  private let store: ActivationStore
  private let vectors: Tensor

  /// A store of the golden's vectors, 60 pictures of 2 × 3 positions and 5 channels.
  init() throws {
    let goldens = Goldens()
    results = try goldens.json("probe.json")
    folder = try TemporaryFolder()
    vectors = try goldens.tensors("probe.safetensors").tensor("vectors")
    let block = ActivationManifest.Block(name: "mid.0", width: 5, mapHeight: 2, mapWidth: 3)
    let manifest = ActivationManifest(
      model: "tiny", modelFingerprint: "0", site: "input", blocks: [block], dtype: .float32, pictures: 60,
      picturesPerShard: 60, places: nil, seed: 42, steps: 1, guidance: 0, height: 32, width: 48, prompts: "0")
    try JSON.write(manifest, to: folder("manifest.json"))
    try ActivationShard.write(
      0, of: manifest, ["mid.0": .init(vectors: vectors.reshaped([60, 1, 6, 5]), places: nil)],
      prompts: (0..<60).map { "prompt \($0)" }, in: folder.path)
    store = try ActivationStore(folder.path)
  }

  private func study(_ labels: ProbeLabels, _ method: ProbeStudy.Method? = nil) throws -> ProbeStudy {
    try ProbeStudy(ProbeStudy.Source("mid.0", in: store), labels, method: method)
  }

  // LogisticRegression(C=0.1) behind StandardScaler
  @Test func classesAreToldAsByScikitLearn() throws {
    for (labels, wanted, classes) in [
      (ProbeLabels.rows(pictures: 60, height: 2, width: 3), results.rows, 2),
      (ProbeLabels.columns(pictures: 60, height: 2, width: 3), results.columns, 3),
      (ProbeLabels(results.kinds, perPicture: 1), results.kind, 3),
    ] {
      let found = try study(labels)
      #expect(found.method == .logistic && found.classes.count == classes && found.learned == 30)
      #expect(abs(found.score.value - wanted) <= 0.002, "\(found.score) against \(wanted)")
      #expect(found.score.n == 30 && found.score.interval?.count == 2 && found.error == nil)
      #expect(abs((found.chance ?? 0) - 1 / Double(classes)) < 0.25)
    }
  }

  // LinearRegression()
  @Test func numbersAreToldAsByScikitLearn() throws {
    let labels = ProbeLabels(results.numbers.joined().map { "\($0)" }, perPicture: 6)
    let found = try study(labels)
    #expect(found.method == .leastSquares && found.classes.isEmpty && found.chance == nil)
    expectClose(
      [found.score.value, found.error?.value ?? 0], [results.number.r2, results.number.error], within: 1e-9)
    let ends = try #require(found.score.interval)
    #expect(ends[0] < found.score.value && found.score.value < ends[1])
    let fit = try LeastSquares(
      Matrix(
        (0..<30).flatMap { picture in (0..<30).map { Double(vectors[picture * 60 + $0]) } }, rows: 180,
        columns: 5),
      (0..<30).flatMap { results.numbers[2 * $0] })
    expectClose(fit.weights + [fit.bias], results.number.weights + [results.number.bias], within: 1e-9)
    // Added once, the direction raises the number by 1.
    let direction = try found.direction(of: nil)
    #expect(abs(zip(direction, fit.weights).reduce(0) { $0 + Double($1.0) * $1.1 } - 1) < 1e-5)
  }

  @Test func aClassHasADirection() throws {
    let found = try study(ProbeLabels.rows(pictures: 60, height: 2, width: 3))
    let (zero, one) = (try found.direction(of: "0"), try found.direction(of: "1"))
    // Rows are told by channels 0 and 4, in which the second is larger.
    #expect(one[0] > 0 && one[4] > 0 && zero[0] < 0)
    #expect(zip(zero, one).allSatisfy { abs($0 + $1) < 1e-4 })
    #expect(
      errorMessage { try found.direction(of: "2") }
        == "nothing can be probed: a direction is that of one class, and there is no '2'; the classes are: 0, 1"
    )
    #expect(errorMessage { try found.direction(of: nil) }.contains("and there is none named"))
  }

  @Test func codesAreProbedToo() throws {
    // A feature for each sign of each channel tells what the channels tell.
    let axes = (0..<10).flatMap { row in (0..<5).map { Float($0 == row % 5 ? (row < 5 ? 1 : -1) : 0) } }
    let tensor = Tensor(axes, [10, 5])
    let autoencoder = SparseAutoencoder(
      k: 5, encoder: tensor, decoder: tensor, preBias: Tensor([5]), latentBias: Tensor([10]))
    let labels = ProbeLabels.rows(pictures: 60, height: 2, width: 3)
    let found = try ProbeStudy(ProbeStudy.Source("mid.0", in: store, codes: autoencoder), labels)
    #expect(found.score.value > 0.7)
    let other = SparseAutoencoder(
      k: 1, encoder: Tensor([3, 4]), decoder: Tensor([3, 4]), preBias: Tensor([4]), latentBias: Tensor([3]))
    #expect(throws: WidthMismatch.self) { try ProbeStudy.Source("mid.0", in: store, codes: other) }
  }

  @Test func labelsAreRead() throws {
    let one = try folder.write("red\n blue \nred\n".utf8, to: "one.txt")
    #expect(
      try ProbeLabels(contentsOf: one, pictures: 3, places: 2)
        == ProbeLabels(["red", "blue", "red"], perPicture: 1))
    let each = try folder.write("1, 2.5\n3,4\n".utf8, to: "each.txt")
    let labels = try ProbeLabels(contentsOf: each, pictures: 2, places: 2)
    #expect(labels.perPicture == 2 && labels.numbers == [1, 2.5, 3, 4])
    #expect(labels.first(1) == ProbeLabels(["1", "2.5"], perPicture: 2))
    for text in [
      "[1 0]\n[0, 1]\n", "1 0\t\n0  1\n", "\"1\",0\n0,\"1\"\n", "[[1], [0]]\n[[0,1]]\n\n\n",
      "1;0\n0;1\n", "[np.float32(1), np.int64(0)]\ntensor(0), tensor(1)\n",
    ] {
      let path = try folder.write(text.utf8, to: "written.txt")
      #expect(
        try ProbeLabels(contentsOf: path, pictures: 2, places: 2)
          == ProbeLabels(["1", "0", "0", "1"], perPicture: 2), "\(text)")
    }
    let alike = try folder.write("1\n1.0\n-0\n".utf8, to: "alike.txt")
    #expect(
      try ProbeLabels(contentsOf: alike, pictures: 3, places: 2)
        == ProbeLabels(["1", "1", "0"], perPicture: 1))
  }

  @Test func labelsThatDoNotFitAreRefused() throws {
    func message(_ text: String, places: Int = 6) throws -> String {
      let path = try folder.write(text.utf8, to: "labels.txt")
      return errorMessage { try ProbeLabels(contentsOf: path, pictures: 2, places: places) }
        .replacing("'\(path)' ", with: "")
    }
    #expect(
      try message("a\n") == "has 1 lines, but there are 2 pictures; write a line for each, in their order")
    #expect(
      try message("a,b\nc,d\n")
        == "has 2 labels in line 1, but a picture has one, or one for each of its 6 positions")
    #expect(try message("a,b\nc\n", places: 2) == "has 1 labels in line 2, but 2 in line 1")
    #expect(
      try message("1e308\n-1e308\n", places: 2)
        == "has 1e308 in line 1, but numbers up to 1e+100 can be told; scale them")
    #expect(
      try message("1.5\nnan\n", places: 2) == "has 'nan' among numbers in line 2; every picture needs a label"
    )
    #expect(try message("a,b\nc,\n", places: 2) == "has an empty label in line 2; give it a name")
    #expect(
      errorMessage { try study(ProbeLabels(["a", "b"], perPicture: 1)) }
        == "nothing can be probed: there are 2 pictures, but 4 at least are needed")
    #expect(
      errorMessage { try study(ProbeLabels(Array(repeating: "a", count: 60), perPicture: 1)) }
        == "nothing can be probed: there are 1 different labels, but classes are 2 to 1000")
    #expect(
      errorMessage { try study(ProbeLabels(results.kinds, perPicture: 1), .leastSquares) }
        == "nothing can be probed: not all labels are numbers, as least squares needs; leave --method out")
  }
}
