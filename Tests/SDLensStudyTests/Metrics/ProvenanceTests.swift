import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import Testing

/// What results say of what they were made of.
@Suite struct ProvenanceTests {
  private static func dictionary(_ scale: Float) -> SparseAutoencoder {
    let tensor = Tensor(repeating: scale, [4, 3])
    return SparseAutoencoder(
      k: 2, encoder: tensor, decoder: tensor, preBias: Tensor([3]), latentBias: Tensor([4]))
  }

  @Test func dictionariesAreToldApartByContent() throws {
    func provenance(_ scale: Float) throws -> Provenance {
      try Provenance(nil, dictionaries: [.init("w/saes/mid.0/mine", of: "mid.0", Self.dictionary(scale))])
    }
    let (one, same, other) = (try provenance(1), try provenance(1), try provenance(2))
    #expect(one == same && one.settings == same.settings)
    #expect(one.dictionaries[0].fingerprint != other.dictionaries[0].fingerprint)
    #expect(one.settings != other.settings)
    let fingerprint = one.dictionaries[0].fingerprint
    #expect(one.text == "Dictionaries: mid.0 'mine' (4 features, k 2, \(fingerprint))")
    let blocks = [try BlockName("mid.0"), try BlockName("up.0.1")]
    #expect(one.of(blocks[0]) == one && one.of(blocks[1]).dictionaries.isEmpty)
  }

  @Test func fewPicturesAreNamed() throws {
    let blocks = [try BlockName("mid.0"), try BlockName("up.0.1")]
    #expect(TooFewPictures(of: "'s'", pictures: 100, blocks: blocks) == nil)
    let problem = try #require(TooFewPictures(of: "'s'", pictures: 20, blocks: blocks))
    #expect(
      problem.description
        == "'s' has 20 pictures, but a measurement needs at least 100: of so few it is noise; record more with: sdlens "
        + "collect --block mid.0 up.0.1, or name a store with --store to measure on it all the same")
    #expect(problem.note.hasPrefix("'s' has 20 pictures, fewer than the 100"))
    #expect(
      TooFewPictures(of: "'s'", pictures: 1, blocks: blocks)?.note.hasPrefix("'s' has 1 picture,") == true)
  }
}
