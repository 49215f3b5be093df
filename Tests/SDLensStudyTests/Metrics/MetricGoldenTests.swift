import Foundation
import SDLensCore
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// The metrics against NumPy and scikit-learn (`Scripts/goldens/metrics.py`).
@Suite struct MetricGoldenTests {
  private struct Results: Decodable {
    struct Position: Decodable { let rows, columns: Double }
    struct Artefact: Decodable { let limit, beyond, excess: Double }
    struct Density: Decodable { let dead, dense, median: Double }
    let specificity, monosemanticity, text: Double
    let colour, colour_all, inside, outside: Double
    let means, medians, active, shares: [Double]
    let nearest: [Int]
    let position: Position
    let match: [Double]
    let nearest_direction: [Int]
    let mutual, above: Double
    let absorption, stability: [Double?]
    let artefact: Artefact
    let density: Density
  }

  private static let goldens: Goldens = {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    return Goldens(beside: tests + "/any.swift")
  }()
  private let results: Results
  private let tensors: Safetensors

  init() throws {
    results = try Self.goldens.json("metrics.json")
    tensors = try Self.goldens.tensors("metrics.safetensors")
  }

  private func expect(
    _ found: Double?, _ wanted: Double?, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    guard let found, let wanted else {
      #expect(
        found == nil && wanted == nil, "\(found as Any), not \(wanted as Any)", sourceLocation: sourceLocation
      )
      return
    }
    #expect(
      abs(found - wanted) <= 1e-6 * max(1, abs(wanted)), "\(found), not \(wanted)",
      sourceLocation: sourceLocation)
  }

  private func pictures(_ name: String) throws -> [Picture] {
    let tensor = try tensors.tensor(name)
    let (height, width) = (tensor.shape[1], tensor.shape[2])
    let size = height * width * 3
    return (0..<tensor.shape[0]).map { index in
      Picture(
        width: width, height: height,
        samples: tensor.elements[index * size..<(index + 1) * size].map { UInt8($0) })
    }
  }

  private func maps() throws -> [[Float]] {
    let maps = try tensors.tensor("maps")
    return (0..<maps.shape[0]).map { Array(maps.elements[$0 * 12..<($0 + 1) * 12]) }
  }

  @Test func similarities() throws {
    let embeddings = try tensors.tensor("embeddings")
    expect(Specificity.value(of: embeddings), results.specificity)
    expect(TextSimilarity.value(of: embeddings, with: try tensors.tensor("text")), results.text)
    expect(
      Monosemanticity.value(of: UnitVectors(embeddings), strengths: try tensors.tensor("strengths").elements),
      results.monosemanticity)
  }

  @Test func colours() throws {
    let before = try pictures("before")
    expect(ColourSpread.value(of: before, maps: try maps(), height: 3, width: 4), results.colour)
    expect(ColourSpread.value(of: before), results.colour_all)
  }

  @Test func changes() throws {
    let (before, after, maps) = (try pictures("before"), try pictures("after"), try maps())
    let changes = before.indices.map { index in
      PictureChange(
        from: before[index], to: after[index],
        area: ActiveArea(height: 3, width: 4, activations: maps[index]))
    }
    let locality = try #require(Locality(changes))
    expect(locality.inside, results.inside)
    expect(locality.outside, results.outside)
    for index in before.indices {
      let error = ReconstructionError(from: before[index], to: after[index])
      expect(error.mean, results.means[index])
      expect(error.median, results.medians[index])
    }
  }

  @Test func sensitivity() throws {
    let active = try maps().map { Sensitivity.activeShare(of: $0) }
    for (found, wanted) in zip(active, results.active) { expect(found, wanted) }
    for (found, wanted) in zip(try #require(Sensitivity.shares(active)), results.shares) {
      expect(found, wanted)
    }
    let nearest = Sensitivity.nearest(
      to: try tensors.tensor("text"), among: UnitVectors(try tensors.tensor("prompts")), count: 20)
    #expect(nearest == results.nearest)
  }

  @Test func positions() throws {
    func matrix(_ name: String) throws -> Matrix {
      let tensor = try tensors.tensor(name)
      return Matrix(tensor.reshaped([tensor.rows, tensor.width]))
    }
    let probe = PositionProbe(
      training: try matrix("training"), test: try matrix("test"), height: 3, width: 4, tolerance: 1e-7)
    expect(probe.rows, results.position.rows)
    expect(probe.columns, results.position.columns)
    expect(probe.accuracy, (results.position.rows + results.position.columns) / 2)
  }

  private func codes(_ name: String) throws -> Codes {
    let values = try tensors.tensor("\(name).values")
    return Codes(
      rows: 50, slots: 4, indices: try tensors.tensor("\(name).indices").elements.map { Int32($0) },
      values: values.elements)
  }

  @Test func dictionaries() throws {
    let (small, large) = (try tensors.tensor("small"), try tensors.tensor("large"))
    let match = DictionaryMatch(small, with: large)
    #expect(match.nearest == results.nearest_direction)
    for (found, wanted) in zip(match.cosines, results.match) { expect(found, wanted) }
    expect(match.mean, results.match.reduce(0, +) / 20)
    expect(match.mutual, results.mutual)
    expect(match.share(above: 0.7), results.above)
    let absorption = Absorption((small, try codes("small")), (large, try codes("large")))
    #expect(absorption.shares.count == results.absorption.count)
    #expect(results.absorption.contains { ($0 ?? 0) > 0 } && results.absorption.contains { $0 == 0 })
    for (found, wanted) in zip(absorption.shares, results.absorption) { expect(found, wanted) }
  }

  @Test func stability() throws {
    let maps = try tensors.tensor("steps").elements
    for (feature, wanted) in results.stability.enumerated() {
      expect(TemporalStability.value(of: Array(maps[feature * 48..<(feature + 1) * 48]), steps: 4), wanted)
    }
    #expect(results.stability[2] == nil && results.stability.count == 6)
  }

  @Test func updates() throws {
    let check = ArtefactCheck(
      edited: ArtefactCheck.lengths(try tensors.tensor("edited")),
      natural: ArtefactCheck.lengths(try tensors.tensor("natural")).sorted())
    expect(check.limit, results.artefact.limit)
    expect(check.beyond, results.artefact.beyond)
    expect(check.excess, results.artefact.excess)
    let density = DictionaryDensity(try tensors.tensor("density").elements)
    expect(density.dead, results.density.dead)
    expect(density.dense, results.density.dense)
    expect(density.medianLogarithm, results.density.median)
  }
}
