import SDLensCore
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Testing

@Suite struct ResamplingTests {
  private struct Golden: Decodable {
    let width, height, channels, to_width, to_height: Int
    let samples: String
    let results: [String: String]
  }

  private static let filters: [String: Resampling] = [
    "lanczos": .lanczos, "bilinear": .bilinear, "bicubic": .bicubic, "box": .box,
  ]

  // PIL: image.resize((to_width, to_height), Image.Resampling(…))
  @Test func everySampleIsThatOfPIL() throws {
    let goldens = try Goldens().json("resampling.json", as: [Golden].self)
    #expect(goldens.count == 10)
    for golden in goldens {
      let source = Picture(
        width: golden.width, height: golden.height, channels: golden.channels, samples: bytes(golden.samples))
      #expect(golden.results.count == Self.filters.count)
      for (name, samples) in golden.results {
        let filter = try #require(Self.filters[name])
        for threads in [1, 3] {
          let found = withThreads(threads) {
            filter(source, width: golden.to_width, height: golden.to_height)
          }
          #expect(
            found.samples == bytes(samples),
            "\(name) \(golden.width)×\(golden.height) → \(golden.to_width)×\(golden.to_height)")
        }
      }
    }
  }

  @Test func theSameSizeIsTheSamePicture() {
    let picture = Picture(width: 3, height: 2, samples: (0..<18).map { UInt8($0 * 13) })
    for filter in Resampling.allCases { #expect(filter(picture, width: 3, height: 2) == picture) }
  }
}
