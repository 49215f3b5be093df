import SDLensCore
import SDLensTestSupport
import Testing

/// Weights of 8 bits, and weights to which a low-rank product is added.
@Suite struct DerivedWeightTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  // torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
  @Test(arguments: ["e4m3", "e5m2"]) func everyByteIsWhatPyTorchReads(_ format: String) throws {
    let goldens = try Goldens().tensors("eight-bit-floats.safetensors")
    let (found, wanted) = (try goldens.tensor(format), try goldens.tensor("\(format).float"))
    #expect(found.count == 256)
    for byte in 0..<256 {
      #expect(
        found[byte].bitPattern == wanted[byte].bitPattern || found[byte].isNaN && wanted[byte].isNaN,
        "byte \(byte): \(found[byte]), but PyTorch has \(wanted[byte])")
    }
  }

  /// A file of one weight "a.weight" [rows, columns] of 8 bits, none of them NaN or infinite.
  private func eightBits(_ shape: Shape) throws -> WeightFile {
    let data = (0..<shape.count).map { UInt8(truncatingIfNeeded: $0 * 37 % 0x7F | ($0 & 1) << 7) }
    let bytes = data.map { $0 & 0x7F == 0x7F ? 0 : $0 }
    let header =
      #"{"a.weight":{"dtype":"F8_E4M3","shape":\#(shape),"data_offsets":[0,\#(shape.count)]}}"#
    try folder.write(safetensorsBytes(header, data: bytes), to: "model.safetensors")
    return try WeightFile(folder: folder.path, name: "model")
  }

  @Test(arguments: EngineChoice.engines)
  func layersOfEightBitsAreThoseOfTheirFloats(_ choice: EngineChoice) throws {
    let weight = try eightBits([40, 72]).root["a"].matrix("weight", [40, 72])
    #expect(weight.type == .f8e4m3)
    let x = Tensor.random([2, 9, 72], seed: 5)
    let engine = choice.engine
    expectSame(
      Linear(weight: weight, bias: nil, engine: engine)(x),
      Linear(weight: WeightMatrix(weight.tensor()), bias: nil, engine: engine)(x), "product")
  }

  @Test func aWeightThatIsNoNumberIsNamed() throws {
    let header = #"{"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}}"#
    try folder.write(safetensorsBytes(header, data: [0, 0x7F, 1]), to: "model.safetensors")
    let file = try WeightFile(folder: folder.path, name: "model")
    #expect(
      errorMessage { try file.root.tensor("a", [3]) }
        == "'a' in '\(folder("model.safetensors"))' holds nan at [1], but weights must be finite; download or save it "
        + "again")
  }

  // W + scale · up · down, by plain loops.
  @Test(arguments: EngineChoice.engines, [ElementType.f32, .f16])
  func whatIsAddedToAWeightIsSeenByEveryLayer(_ choice: EngineChoice, _ type: ElementType) throws {
    let (outputs, inputs, rank) = (20, 3 * 9, 4)
    let (weight, up, down) = (
      Tensor.random([outputs, 3, 3, 3], seed: 1), Tensor.random([outputs, rank, 1, 1], seed: 2),
      Tensor.random([rank, 3, 3, 3], seed: 3)
    )
    try Safetensors.write([("down", down), ("up", up)], to: folder("lora.safetensors"))
    let item =
      try type == .f16 ? Safetensors.Item(half: weight, "c.weight") : Safetensors.Item("c.weight", weight)
    try Safetensors.write([item], to: folder("model.safetensors"))
    let factors = try Safetensors(contentsOf: folder("lora.safetensors"))
    let update = try #require(
      LowRankUpdate(up: factors.stored("up"), down: factors.stored("down"), scale: 0.25))
    let plain = try WeightFile(folder: folder.path, name: "model", engine: choice.engine)
    let scope = plain.merging(["c.weight": [update, update]]).root["c"]
    var wanted = try plain.root["c"].tensor("weight", [outputs, 3, 3, 3])
    for output in 0..<outputs {
      for input in 0..<inputs {
        for index in 0..<rank {
          wanted[output * inputs + input] += 0.5 * up[output * rank + index] * down[index * inputs + input]
        }
      }
    }
    let found = try scope.tensor("weight", [outputs, 3, 3, 3])
    expectClose(found, wanted, within: 1e-6, "the weight")
    let x = Tensor.random([1, 6, 5, 3], seed: 4)
    let layer = try Convolution(scope, inputs: 3, outputs: outputs, bias: false)
    try Safetensors.write([("c.weight", found)], to: folder("merged.safetensors"))
    let merged = try WeightFile(folder: folder.path, name: "merged", engine: choice.engine)
    expectSame(
      layer(x), try Convolution(merged.root["c"], inputs: 3, outputs: outputs, bias: false)(x), "convolution")
  }

  @Test func factorsThatDoNotFitAreNone() throws {
    let (up, down) = (Tensor.random([5, 3], seed: 1), Tensor.random([4, 6], seed: 2))
    try Safetensors.write([("down", down), ("up", up)], to: folder("lora.safetensors"))
    let factors = try Safetensors(contentsOf: folder("lora.safetensors"))
    #expect(try LowRankUpdate(up: factors.stored("up"), down: factors.stored("down"), scale: 1) == nil)
  }
}
