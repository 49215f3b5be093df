import Foundation
import SDLensCore
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Testing

@Suite struct LPIPSTests {
  private struct Golden: Decodable {
    let networks: [String: Network]
    let cases: [Case]
  }
  private struct Network: Decodable {
    let seed: Int
    let drawn: [Drawn]
  }
  private struct Drawn: Decodable {
    let name: String
    let shape: [Int]
    let scale: Float
  }
  private struct Case: Decodable {
    let net: String
    let distances: [Double]
  }

  private let goldens = Goldens()
  private let golden: Golden
  private let tensors: Safetensors

  init() throws {
    golden = try goldens.json("lpips.json")
    tensors = try goldens.tensors("lpips.safetensors")
  }

  /// The seeded network of the reference with the real weights of the heads.
  private func folder(_ net: String, without lost: String? = nil) throws -> TemporaryFolder {
    let network = try #require(golden.networks[net])
    var generator = MersenneTwister(seed: network.seed)
    var weights = network.drawn.map { drawn in
      let shape = Shape(drawn.shape)
      return (name: drawn.name, tensor: Tensor(generator.normal(shape.count), shape).scaled(by: drawn.scale))
    }
    for head in 0..<5 {
      weights.append(("heads.\(head).weight", try tensors.tensor("\(net).heads.\(head).weight")))
    }
    let folder = try TemporaryFolder()
    try Safetensors.write(weights.filter { $0.name != lost }, to: folder(net + ".safetensors"))
    return folder
  }

  @Test func theFingerprintIsThatOfTheWeights() throws {
    let (first, same) = (try folder("alex"), try folder("alex"))
    let fingerprint = try LPIPS(folder: first.path).fingerprint.description
    #expect(try LPIPS(folder: same.path).fingerprint.description == fingerprint)
    // The last digit of the last weight.
    var bytes = try Data(contentsOf: URL(fileURLWithPath: same("alex.safetensors")))
    bytes[bytes.count - 4] ^= 1
    try bytes.write(to: URL(fileURLWithPath: same("alex.safetensors")))
    #expect(try LPIPS(folder: same.path).fingerprint.description != fingerprint)
  }

  // lpips.LPIPS(net=…)(first, second)
  @Test(arguments: LPIPS.Network.allCases, EngineChoice.engines)
  func distancesAreThoseOfTheReference(_ network: LPIPS.Network, _ engine: EngineChoice) throws {
    let folder = try folder(network.rawValue)
    let lpips = try LPIPS(folder: folder.path, network: network, engine: engine.engine)
    var compared = 0
    for (index, golden) in golden.cases.enumerated() where golden.net == network.rawValue {
      let first = try tensors.channelsLast("\(index).first")
      let second = try tensors.channelsLast("\(index).second")
      for (found, wanted) in zip(try lpips(first, second), golden.distances) {
        #expect(abs(found / wanted - 1) < 1e-5, "\(network) \(index): \(found), not \(wanted)")
        compared += 1
      }
      #expect(try lpips(first, first).allSatisfy { $0 == 0 })
      // Features are kept for comparing one picture with many.
      let (a, b) = (try lpips.features(of: first), try lpips.features(of: second))
      #expect(lpips.distances(b, a) == lpips.distances(a, b))
    }
    #expect(compared == 3)
  }

  @Test func samplesOfPicturesGoFromMinusOneToOne() {
    let grey = Picture(width: 2, height: 1, channels: 1, samples: [0, 255])
    let colored = Picture(width: 2, height: 1, samples: [0, 51, 102, 153, 204, 255])
    let found = LPIPS.tensor(of: [grey, colored])
    let wanted: [Float] = [-1, -1, -1, 1, 1, 1, -1, -0.6, -0.2, 0.2, 0.6, 1]
    expectClose(found, Tensor(wanted, [2, 1, 2, 3]), within: 1e-6, "samples")
  }

  @Test func smallPicturesAreRefused() throws {
    let folder = try folder("alex")
    let lpips = try LPIPS(folder: folder.path)
    #expect(lpips.smallestSide == 31)
    #expect(
      errorMessage { try lpips.features(of: Tensor(repeating: 0, [1, 40, 30, 3])) }
        == "a picture of 40 × 30 pixels is too small for this LPIPS, which needs 31 on each side; enlarge it or "
        + "leave LPIPS out")
  }

  @Test func missingWeightsSayHowToMakeThem() throws {
    let empty = try TemporaryFolder()
    #expect(
      errorMessage { try LPIPS(folder: empty.path, network: .vgg) }
        == "'\(empty.path)' has no 'vgg.safetensors', the weights of LPIPS; make it with: "
        + "python Scripts/export_lpips.py '\(empty.path)' --net vgg")
    let partial = try folder("alex", without: "heads.4.weight")
    #expect(
      errorMessage { try LPIPS(folder: partial.path) }
        .hasPrefix("'heads.4.weight' is not in '\(partial("alex.safetensors"))'"))
    // VGG's weights under AlexNet's name.
    try FileManager.default.moveItem(
      atPath: partial("alex.safetensors"), toPath: partial("vgg.safetensors"))
    #expect(
      errorMessage { try LPIPS(folder: partial.path, network: .vgg) }
        .hasPrefix("'convolutions.0.weight' has shape [64, 3, 11, 11], but the model needs [64, 3, 3, 3]"))
  }
}
