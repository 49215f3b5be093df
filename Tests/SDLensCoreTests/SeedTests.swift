import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct SeedTests {
  private struct Case: Decodable {
    let seed: String
    let bits: String?
    let draws: [Float]
  }

  // torch.Generator("cpu").manual_seed(seed), then initial_seed() and torch.randn(16)
  @Test func torchTakesTheSame() throws {
    let cases: [Case] = try Goldens().json("seeds.json")
    #expect(cases.count == 13)
    for golden in cases {
      guard let bits = golden.bits else {
        #expect(Seed(golden.seed) == nil, "\(golden.seed)")
        continue
      }
      let seed = try #require(Seed(golden.seed), "\(golden.seed)")
      #expect("\(seed.bits)" == bits)
      #expect(seed.description == golden.seed)
      var generator = MersenneTwister(seed: seed.bits)
      expectClose(
        Tensor(generator.normal(16), [16]), Tensor(golden.draws, [16]), within: 1e-6, golden.seed)
    }
  }

  @Test(arguments: ["", "x", "1.5", "1e3", " 1", "0x10"]) func noNumbers(text: String) {
    #expect(Seed(text) == nil)
  }

  @Test func theLastSeeds() throws {
    let last = try #require(Seed("18446744073709551615"))
    #expect(last.reaches(1))
    #expect(!last.reaches(2))
    let before = try #require(Seed("18446744073709551610"))
    #expect((before + 5) == last)
    #expect((Seed(exactly: -2)! + 3) == 1)
    #expect(
      errorMessage { try before.check(7) }
        == "seed is 18446744073709551610, but each of 7 pictures has a seed of its own from there on, and the last "
        + "seed is 18446744073709551615; choose one of at most 18446744073709551609")
  }

  @Test(arguments: ["0", "-1", "9007199254740993", "9223372036854775808", "18446744073709551615"])
  func digitsStayInJSON(text: String) throws {
    let seed = try #require(Seed(text))
    let json = String(decoding: try JSONEncoder().encode([seed]), as: UTF8.self)
    #expect(json == "[\(text)]")
    #expect(try JSONDecoder().decode([Seed].self, from: Data(json.utf8)) == [seed])
  }

  @Test func noSeedInJSON() {
    for text in ["[18446744073709551616]", "[-9223372036854775809]", "[1.5]", "[\"1\"]"] {
      #expect(throws: DecodingError.self) { try JSONDecoder().decode([Seed].self, from: Data(text.utf8)) }
    }
  }
}
