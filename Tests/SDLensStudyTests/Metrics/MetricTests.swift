import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// Cases whose answers are known without computing.
@Suite struct MetricTests {
  private func picture(_ colour: (Int, Int) -> [UInt8]) -> Picture {
    Picture(
      width: 8, height: 8, samples: (0..<64).flatMap { colour($0 % 8, $0 / 8) })
  }

  @Test func identicalPicturesAreAsSpecificAsCanBe() {
    let same = Tensor((0..<5).flatMap { _ in [3, -4] as [Float] }, [5, 2])
    #expect(abs(Specificity.value(of: same)! - 1) < 1e-12)
    #expect(abs(Monosemanticity.value(of: UnitVectors(same), strengths: [1, 2, 0, 5, 1])! - 1) < 1e-12)
  }

  @Test func pairsAtRightAnglesHaveNothingInCommon() {
    let corners = Tensor([1, 0, 0, 0, 2, 0, 0, 0, 3], [3, 3])
    #expect(Specificity.value(of: corners) == 0)
    #expect(Monosemanticity.value(of: UnitVectors(corners), strengths: [1, 1, 1]) == 0)
    // What is not active does not count: the first two point the same way.
    let mixed = Tensor([1, 0, 5, 0, 0, 1], [3, 2])
    #expect(Monosemanticity.value(of: UnitVectors(mixed), strengths: [1, 1, 0]) == 1)
  }

  @Test func tooFewPicturesHaveNoFigure() {
    #expect(Specificity.value(of: Tensor([1, 2], [1, 2])) == nil)
    #expect(Monosemanticity.value(of: UnitVectors(Tensor([1, 2, 3, 4], [2, 2])), strengths: [1, 0]) == nil)
    #expect(TextSimilarity.value(of: Tensor([0, 2]), with: Tensor([1, 0], [1, 2])) == nil)
    #expect(Sensitivity.shares([]) == nil)
    #expect(MetricOutcome([Double]?.none, else: .dead) == MetricOutcome(skip: .dead))
    #expect(MetricOutcome(0.5, else: .dead) == MetricOutcome(values: [0.5]))
  }

  @Test func oneColourDoesNotSpread() {
    let red = picture { _, _ in [255, 0, 0] }
    #expect(ColourSpread.value(of: [red, red]) == 0)
    // Active on the red half only, whatever the other half shows.
    let half = picture { x, _ in x < 4 ? [255, 0, 0] : [0, 255, 255] }
    #expect(ColourSpread.value(of: [half], maps: [[1, 0]], height: 1, width: 2) == 0)
    // Half black, half white: every pixel is half the way from the mean.
    let both = picture { x, _ in x < 4 ? [0, 0, 0] : [255, 255, 255] }
    #expect(ColourSpread.value(of: [both]) == 382.5)
    #expect(ColourSpread.value(of: [both], maps: [[0, 0]], height: 1, width: 2) == nil)
  }

  @Test func aChangeOfOneHalfIsLocal() {
    let before = picture { _, _ in [10, 10, 10] }
    let after = picture { x, _ in x < 4 ? [20, 20, 20] : [10, 10, 10] }
    let area = ActiveArea(height: 1, width: 2, activations: [1, 0])
    let locality = Locality([PictureChange(from: before, to: after, area: area)])
    #expect(locality?.inside == 30 && locality?.outside == 0)
    // Active everywhere alike: nothing is more active than half of it, nothing is outside.
    let everywhere = ActiveArea(height: 1, width: 2, activations: [1, 1])
    #expect(Locality([PictureChange(from: before, to: after, area: everywhere)]) == nil)
    let error = ReconstructionError(from: before, to: after)
    #expect(error.mean == 15 && error.median == 15)
  }

  @Test func reconstructionRecoversWhatAblationLoses() {
    #expect(ReconstructionError.recovered(reconstructed: 0, ablated: 0.4) == 1)
    #expect(ReconstructionError.recovered(reconstructed: 0.1, ablated: 0.4) == 0.75)
    #expect(ReconstructionError.recovered(reconstructed: 0.1, ablated: 0) == nil)
  }

  @Test func sharesCountWhatIsMoreThanTheArea() {
    #expect(Sensitivity.shares([0, 0.1, 0.3, 1])! == [0.75, 0.5, 0.25])
    #expect(Sensitivity.activeShare(of: [0, 1, 0, 2]) == 0.5)
  }

  @Test func nearlyEqualPromptsAreTakenOnce() {
    let prompts = UnitVectors(Tensor([1, 0, 1, 0.01, 0.5, 0.5, 0, 1], [4, 2]))
    #expect(Sensitivity.nearest(to: Tensor([1, 0], [1, 2]), among: prompts, count: 3) == [0, 2, 3])
  }

  @Test func aPlaceThatIsWrittenDownIsFound() {
    // Each vector tells its row and column outright.
    let maps = Matrix(
      (0..<4 * 6).flatMap { index in
        (0..<2).map { index % 6 / 3 == $0 ? 1.0 : 0 } + (0..<3).map { index % 3 == $0 ? 1.0 : 0 }
      }, rows: 24, columns: 5)
    let probe = PositionProbe(training: maps, test: maps, height: 2, width: 3)
    #expect(probe.rows == 1 && probe.columns == 1)
    let blind = Matrix([Double](repeating: 1, count: 24), rows: 24, columns: 1)
    let chance = PositionProbe(training: blind, test: blind, height: 2, width: 3)
    #expect(chance.rows == 0.5 && abs(chance.columns - 1 / 3.0) < 1e-12)
  }

  @Test func aDictionaryMatchesItself() {
    let directions = Tensor.random([8, 5], seed: 1)
    let match = DictionaryMatch(directions, with: directions)
    #expect(match.nearest == Array(0..<8) && match.mutual == 1)
    #expect(abs(match.mean - 1) < 1e-12)
    // Another feature of the same direction is the nearest of two, but only one of them is its nearest.
    let double = Tensor(directions.elements + directions.elements, [16, 5])
    #expect(DictionaryMatch(double, with: directions).mutual == 0.5)
  }

  @Test func aSilentParentIsAbsorbedByItsChild() {
    let small = Tensor([1, 0], [1, 2])
    let large = Tensor([1, 0, 0.8, 0.6, 0, 1], [3, 2])
    let parent = Codes(rows: 4, slots: 1, indices: [0, 0, 0, 0], values: [1, 1, 1, 0])
    // Its own twin, its child, and a stranger.
    let codes = Codes(rows: 4, slots: 1, indices: [0, 1, 2, 1], values: [1, 1, 1, 1])
    #expect(Absorption((small, parent), (large, codes)).shares == [1.0 / 3])
    let never = Codes(starts: [0, 0, 0, 0, 0], indices: [], values: [])
    #expect(Absorption((small, never), (large, codes)).shares == [nil])
  }

  @Test func stabilityOfMaps() {
    #expect(TemporalStability.value(of: [1, 0, 2, 0], steps: 2) == 1)
    #expect(TemporalStability.value(of: [1, 0, 0, 2], steps: 2) == 0)
    #expect(TemporalStability.value(of: [0, 0, 0, 2], steps: 2) == 0)
    #expect(TemporalStability.value(of: [0, 0, 0, 0], steps: 2) == nil)
    #expect(TemporalStability.value(of: [1, 2], steps: 1) == nil)
  }

  @Test func updatesInTheirRangeAreNoArtefacts() {
    let natural = (1...1001).map(Double.init)
    let check = ArtefactCheck(edited: [500, 1000, 1500, 2000], natural: natural)
    #expect(check.limit == 1000 && check.beyond == 0.5 && check.excess == 2)
  }

  @Test func editedLengthsAreThoseOfEditedUpdates() {
    let updates = Tensor.random([6, 4], seed: 8)
    let (map, direction): ([Float], [Float]) = ([0, 0.5, 2, 0, 1, 0.25], [0.5, -0.5, 0.5, 0.5])
    let edited = Tensor(
      [1, 2, 4, 5].flatMap { place in
        (0..<4).map { updates[place * 4 + $0] - 5 * map[place] * direction[$0] }
      }, [4, 4])
    let found = ArtefactCheck.lengths(of: updates, modulating: map, by: -5, direction)
    #expect(found.count == 4)
    for (found, wanted) in zip(found, ArtefactCheck.lengths(edited)) { #expect(abs(found - wanted) < 1e-5) }
  }

  @Test func theStrongestFeaturesComeFirst() throws {
    let folder = try TemporaryFolder()
    let tensor = Tensor.random([5, 3], seed: 2)
    let dictionary = SparseAutoencoder(
      k: 2, encoder: tensor, decoder: tensor, preBias: Tensor([3]), latentBias: Tensor([5]))
    try SavedAutoencoder(dictionary).write(into: folder.path)
    let codes = Codes(
      rows: 4, slots: 2, indices: [3, 1, 3, 0, 2, 0, 1, 0], values: [2, 1, 2, 0, 4, 0, 1, 0])
    let found = ActiveFeature.strongest(
      2, in: codes, of: try BlockName("up.0.1"), try DictionaryFolder(folder.path))
    // Equally strong ones in their order.
    #expect(found.map(\.feature) == [2, 3] && found.map(\.strength) == [1, 1])
    #expect(found.map(\.area) == [0.25, 0.5] && found[0].caption == nil)
  }

  @Test func densityOfADictionary() {
    let density = DictionaryDensity([0, 0.01, 0.001, 0.5])
    #expect(density.dead == 0.25 && density.dense == 0.25)
    #expect(abs(density.medianLogarithm! + 2) < 1e-6)
    #expect(DictionaryDensity([0, 0]).medianLogarithm == nil)
  }
}
