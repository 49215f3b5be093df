import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct SafetensorsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// `safetensors.torch.save({"b": tensor([[1., 2], [-3, .5]]), "a": tensor([7.])}, {"note": 'é "/"'})`,
  /// safetensors 0.8.0.
  private static let python =
    safetensorsBytes(
      #"{"__metadata__":{"note":"é \"/\""},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""b":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]}}       "#,
      data: bytes(of: [7, 1, 2, -3, 0.5] as [Float]))

  @Test func weWriteTheBytesThatPythonWrites() throws {
    let path = folder("x.safetensors")
    try Safetensors.write(
      [("a", Tensor([7], [1])), ("b", Tensor([1, 2, -3, 0.5], [2, 2]))],
      metadata: ["note": "é \"/\""], to: path)
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == Self.python)
    #expect(try folder.contents == ["x.safetensors"])
  }

  @Test func weReadWhatPythonWrites() throws {
    let file = try Safetensors(contentsOf: folder.write(Self.python, to: "x"))
    #expect(file.names == ["a", "b"])
    #expect(file.metadata == ["note": "é \"/\""])
    #expect(file.entry("b")?.type == .f32)
    #expect(file.entry("b")?.shape == [2, 2])
    #expect(file.entry("c") == nil)
    #expect(try file.tensor("b").elements == [1, 2, -3, 0.5])
    #expect(try file.tensor("a").shape == [1])
  }

  @Test func weReadWhatWeWrote() throws {
    let path = folder("x")
    let tensors: [(name: String, tensor: Tensor)] = [
      ("z/ü\n\"\\", Tensor([.infinity, -0.0, .leastNonzeroMagnitude], [3, 1])),
      ("scalar", Tensor([3], [])), ("empty", Tensor([], [2, 0, 5])), ("a", Tensor([1, 2], [2])),
    ]
    try Safetensors.write(tensors, to: path)
    let file = try Safetensors(contentsOf: path)
    #expect(file.names == ["a", "empty", "scalar", "z/ü\n\"\\"])
    #expect(file.metadata.isEmpty)
    for (name, tensor) in tensors {
      let found = try file.tensor(name)
      #expect(found.shape == tensor.shape)
      #expect(found.elements.map(\.bitPattern) == tensor.elements.map(\.bitPattern))
    }
  }

  // safetensors 0.8.0 reads all of these.
  @Test(arguments: [
    #"{"__metadata__":null,ENTRY}"#, #"{"__metadata__":{},ENTRY}"#, #"{ENTRY,"__metadata__":{"x":"y"}}"#,
    " \n\t\r{ENTRY}\n\n", #"{"\u005f_metadata__":{"x":"y"},ENTRY}"#,
    #"{ENTRY,"b":{"dtype":"C64","shape":[0],"data_offsets":[8,8]}}"#,
    #"{ENTRY,"":{"dtype":"F8_E8M0","shape":[0],"data_offsets":[8,8],"more":1}}"#,
    #"{ENTRY,"b":{"data_offsets":[0,0],"dtype":"F8_E4M3FNUZ","shape":[0]}}"#,
  ])
  func headersAreReadAsThePythonPackageDoes(_ header: String) throws {
    let entry = #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#
    let header = header.replacing("ENTRY", with: entry)
    let file = try Safetensors(
      contentsOf: folder.write(safetensorsBytes(header, data: bytes(of: [1, 2] as [Float])), to: "x"))
    #expect(try file.tensor("a").elements == [1, 2])
    #expect(file.metadata == (header.contains("\"y\"") ? ["x": "y"] : [:]))
  }

  // And none of these.
  @Test(arguments: [
    #"{"__metadata__":{"x":1},ENTRY}"#, #"{"__metadata__":{"x":null},ENTRY}"#, #"{"__metadata__":[],ENTRY}"#,
    "{ENTRY}\0\0", "\u{FEFF}{ENTRY}", #"{"b":null,ENTRY}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}"#,
  ])
  func headersThatThePythonPackageRefusesAreRefused(_ header: String) throws {
    let entry = #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#
    let path = try folder.write(
      safetensorsBytes(header.replacing("ENTRY", with: entry), data: bytes(of: [1, 2] as [Float])), to: "x")
    #expect(errorMessage { try Safetensors(contentsOf: path) }.contains("is not a whole safetensors file"))
  }

  @Test func everyHalfAndEveryBfloatIsReadExactly() throws {
    let patterns = (0...UInt16.max).map { $0 }
    let header =
      #"{"h":{"dtype":"F16","shape":[256,256],"data_offsets":[0,131072]},"#
      + #""b":{"dtype":"BF16","shape":[65536],"data_offsets":[131072,262144]}}"#
    let file = try Safetensors(
      contentsOf: folder.write(safetensorsBytes(header, data: bytes(of: patterns + patterns)), to: "x"))
    let halves = try file.tensor("h").elements
    let bfloats = try file.tensor("b").elements
    for pattern in patterns {
      let half = Float(Float16(bitPattern: pattern))
      let found = halves[Int(pattern)]
      #expect(half.isNaN ? found.isNaN : found.bitPattern == half.bitPattern)
      #expect(bfloats[Int(pattern)].bitPattern == UInt32(pattern) << 16)
    }
  }

  @Test(arguments: 0..<8)
  func dataAtAnOddAddressIsReadAsWell(padding: Int) throws {
    let header =
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
      + #""h":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},"#
      + #""i":{"dtype":"I64","shape":[2],"data_offsets":[12,28]}}"#
      + String(repeating: " ", count: padding)
    let data =
      bytes(of: [1.5, -2] as [Float]) + bytes(of: [0x3C00, 0xC000] as [UInt16])
      + bytes(of: [-1, 1 << 40] as [Int64])
    let file = try Safetensors(contentsOf: folder.write(safetensorsBytes(header, data: data), to: "x"))
    #expect(try file.tensor("a").elements == [1.5, -2])
    #expect(try file.tensor("h").elements == [1, -2])
    #expect(try file.integers("i") == [-1, 1 << 40])
  }

  @Test func aTensorThatIsNotThereOrOfAnotherType() throws {
    let header =
      #"{"block.0.weight":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"#
      + #""block.0.bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#
    let path = try folder.write(
      safetensorsBytes(header, data: bytes(of: [-5, 6, 0] as [Int32])), to: "x")
    let file = try Safetensors(contentsOf: path)
    #expect(try file.integers("block.0.weight") == [-5, 6])
    #expect(
      errorMessage { try file.tensor("block.1.weight") }
        == "'block.1.weight' is not in '\(path)'; the nearest name there is 'block.0.weight'")
    #expect(
      errorMessage { try file.tensor("block.0.weight") }
        == "'block.0.weight' in '\(path)' is I32, but F32, F16, BF16, F64, F8_E4M3 or F8_E5M2 is needed; convert the file"
    )
    #expect(
      errorMessage { try file.integers("block.0.bias") }
        == "'block.0.bias' in '\(path)' is F32, but I64 or I32 is needed; convert the file")
  }

  @Test func tensorsAreWrittenInTheOrderGiven() throws {
    let path = folder("x")
    try Safetensors.write([("b", Tensor([1], [1])), ("a", Tensor([2], [1]))], to: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(String(decoding: bytes.dropFirst(8), as: UTF8.self).hasPrefix(#"{"b":"#))
    #expect(try Safetensors(contentsOf: path).tensor("a").elements == [2])
  }
}
