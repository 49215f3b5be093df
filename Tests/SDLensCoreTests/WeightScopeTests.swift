import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct WeightScopeTests {
  let folder: TemporaryFolder
  var path: String { folder("model.safetensors") }

  init() throws { folder = try TemporaryFolder() }

  private func file(_ tensors: [(name: String, tensor: Tensor)]) throws -> WeightFile {
    try Safetensors.write(tensors, to: path)
    return try WeightFile(folder: folder.path, name: "model")
  }

  @Test func scopesJoinNames() throws {
    let file = try file([("down_blocks.0.resnets.1.norm.weight", Tensor([1, 2], [2]))])
    let scope = file.root["down_blocks"][0]["resnets"][1]
    #expect(scope.path == "down_blocks.0.resnets.1")
    #expect(try scope["norm"].tensor("weight", [2]).elements == [1, 2])
    try file.finish()
  }

  @Test func theWrongShape() throws {
    let file = try file([("mid.proj_in.weight", Tensor(repeating: 1, [4, 4, 1, 1]))])
    #expect(
      errorMessage { try file.root["mid"]["proj_in"].matrix("weight", [4, 4]) }
        == "'mid.proj_in.weight' has shape [4, 4, 1, 1], but the model needs [4, 4]; "
        + "check that the config.json beside '\(path)' belongs to it")
  }

  @Test func aMissingTensorIsNamedWithTheNearest() throws {
    let file = try file([
      ("blocks.0.attn1.to_q.weight", Tensor([1], [1])), ("blocks.0.norm.weight", Tensor([1], [1])),
    ])
    #expect(
      errorMessage { try file.root["blocks"][1]["attn1"].tensor("to_q.weight", [1]) }
        == "'blocks.1.attn1.to_q.weight' is not in '\(path)' (the nearest name there is "
        + "'blocks.0.attn1.to_q.weight'); check that the config.json beside it belongs to it")
  }

  @Test func integersAreNoWeights() throws {
    let header = #"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#
    try folder.write(safetensorsBytes(header, data: bytes(of: [1] as [Int64])), to: "model.safetensors")
    let file = try WeightFile(folder: folder.path, name: "model")
    #expect(
      errorMessage { try file.root.tensor("a", [1]) }
        == "'a' in '\(path)' is I64, but F32, F16, BF16, F64, F8_E4M3 or F8_E5M2 is needed; convert the file")
  }

  // torch.tensor(x, dtype=torch.float64).to(torch.float32)
  @Test func doublesAreRounded() throws {
    func file(_ values: [Double]) throws -> WeightFile {
      let header =
        #"{"a":{"dtype":"F64","shape":[\#(values.count)],"data_offsets":[0,\#(8 * values.count)]}}"#
      try folder.write(safetensorsBytes(header, data: bytes(of: values)), to: "model.safetensors")
      return try WeightFile(folder: folder.path, name: "model")
    }
    let read = try file([0.1, -1.0 / 3, 1e-300, 3.4028235e38])
    #expect(try read.root.tensor("a", [4]).elements == [0.1, -0.33333334, 0, .greatestFiniteMagnitude])
    let matrix = try read.root.matrix("a", [4])
    #expect(matrix.tensor().elements[0] == 0.1 && matrix.type == .f64)
    let tooLarge = try file([1, 1e39])
    #expect(
      errorMessage { try tooLarge.root.tensor("a", [2]) }
        == "'a' in '\(path)' holds inf at [1], but weights must be finite; download or save it again")
  }

  @Test func leftoversAreCountedAndFiveAreNamed() throws {
    let one = Tensor([1], [1])
    let file = try file(
      ["a", "encoder.a", "b.position_ids", "g", "f", "e", "d", "c"].map { ($0, one) })
    _ = try file.root.tensor("a", [1])
    #expect(
      errorMessage { try file.finish(ignoring: ["encoder.", ".position_ids"]) }
        == "'\(path)' holds 5 tensors that the model does not have: 'c', 'd', 'e', 'f', 'g'; "
        + "check that the config.json beside it belongs to it")
    #expect(
      errorMessage { try file.finish() }
        == "'\(path)' holds 7 tensors that the model does not have: 'b.position_ids', 'c', 'd', 'e', "
        + "'encoder.a', …; check that the config.json beside it belongs to it")
    for name in ["c", "d", "e", "f"] { _ = try file.root.matrix(name, [1]) }
    #expect(
      errorMessage { try file.finish(ignoring: ["encoder.", ".position_ids"]) }
        == "'\(path)' holds 1 tensor that the model does not have: 'g'; "
        + "check that the config.json beside it belongs to it")
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsNamedWithItsPlace(bad: Float) throws {
    // Long enough for several threads; the first of two is named.
    var weight = Tensor(repeating: 0.5, [300, 7, 200])
    weight[(123 * 7 + 4) * 200 + 56] = bad
    weight[(223 * 7 + 4) * 200 + 56] = 0 / 0
    let file = try file([("a.weight", weight), ("b.weight", Tensor([1, 2, 3, 4], [2, 2]))])
    let message =
      "'a.weight' in '\(path)' holds \(bad) at [123, 4, 56], but weights must be finite; "
      + "download or save it again"
    #expect(errorMessage { try file.root["a"].tensor("weight", [300, 7, 200]) } == message)
    #expect(errorMessage { try file.root["a"].matrix("weight", [300, 7, 200]) } == message)
    #expect(try file.root["b"].tensor("weight", [2, 2]).elements == [1, 2, 3, 4])
  }

  @Test(
    arguments: [
      ("F16", 0x7BFF, 0x7C00, "inf"), ("F16", 0x0001, 0x7E00, "nan"),
      ("BF16", 0x7F7F, 0xFF80, "-inf"), ("BF16", 0x0001, 0x7FC0, "nan"),
    ] as [(String, UInt16, UInt16, String)])
  func halfPrecisionIsCheckedAsWell(type: String, good: UInt16, bad: UInt16, name: String) throws {
    let header =
      #"{"good":{"dtype":"\#(type)","shape":[2,2],"data_offsets":[0,8]},"#
      + #""bad":{"dtype":"\#(type)","shape":[2,2],"data_offsets":[8,16]}}"#
    let data = bytes(of: [good, good, good, good, good, good, bad, good])
    try folder.write(safetensorsBytes(header, data: data), to: "model.safetensors")
    let file = try WeightFile(folder: folder.path, name: "model")
    #expect(try file.root.matrix("good", [2, 2]).type.rawValue == type)
    #expect(
      errorMessage { try file.root.matrix("bad", [2, 2]) }
        == "'bad' in '\(path)' holds \(name) at [1, 0], but weights must be finite; download or save it again"
    )
  }
}
