import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// Files of `torch.save`: `Scripts/goldens/sparse_formats.py`.
@Suite struct TorchFileTests {
  private let goldens = Goldens()

  private func x(_ name: String, _ key: String = "x") throws -> Tensor {
    let file = try TorchFile(contentsOf: goldens("formats/torch/\(name).pth"))
    guard case .tensor(let tensor)? = try file.dictionary()[key] else {
      throw MalformedFile(path: name, reason: "no tensor")
    }
    return try file.tensor(tensor, name: key)
  }

  /// All ways in which a tensor may lie in its storage, every value exactly.
  @Test(arguments: [
    "plain", "half", "bfloat", "permuted", "slice", "parameter", "scalar", "empty", "protocol4", "shared",
    "expanded",
  ]) func isRead(name: String) throws {
    try expectSame(x(name), goldens.tensors("formats.safetensors").tensor("torch.\(name)"), name)
  }

  @Test func float64IsRounded() throws {
    let file = try TorchFile(contentsOf: goldens("formats/refused/double.pth"))
    guard case .tensor(let tensor)? = try file.dictionary()["x"] else {
      throw MalformedFile(path: "double", reason: "no tensor")
    }
    #expect(tensor.isDouble)
    expectSame(try file.tensor(tensor, name: "x"), Tensor(repeating: 1, [3]), "double")
  }

  @Test func twoTensorsShareAStorage() throws {
    try expectSame(
      x("shared", "y"), goldens.tensors("formats.safetensors").tensor("torch.shared.y"), "shared")
  }

  static let refusals = [
    "system": "asks for 'posix.system', but only what tensors need is accepted",
    "eval": "asks for 'builtins.eval', but only what tensors need is accepted",
    "module": "asks for 'torch.nn.modules.linear.Identity', but only what tensors need is accepted",
    "before-1.6": "it is in the layout before PyTorch 1.6; load and save it again with a newer PyTorch",
    "compressed": "its members unpack to more bytes than it has (",
    "big": "its byte order is not little-endian",
    "cut": "'x' needs 1048576 bytes, but 40 are there; download it again",
    "twice": "'data.pkl' is in it twice; download it again",
  ]

  @Test(arguments: refusals.keys.sorted()) func isRefused(name: String) throws {
    let path = goldens("formats/refused/\(name).pth")
    let message = errorMessage {
      let file = try TorchFile(contentsOf: path)
      guard case .tensor(let tensor)? = try file.dictionary()["x"] else { return Tensor([0]) }
      return try file.tensor(tensor, name: "x")
    }
    #expect(message.hasPrefix("'\(path)' is not a "))
    #expect(message.contains(Self.refusals[name]!), "\(message)")
  }

  @Test func whatIsNoZipIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("hello".utf8, to: "x.pth")
    #expect(
      errorMessage { try TorchFile(contentsOf: path) }
        == "'\(path)' is not a torch file that can be read: it does not begin as a zip file does; check the path"
    )
  }

  /// Wherever a file ends or a bit is flipped: an error or a file, but no crash.
  @Test func damagedFilesAreRefused() throws {
    let whole = try Data(contentsOf: URL(fileURLWithPath: goldens("formats/sdxl-unbox/state_dict.pth")))
    let bytes = Array(whole)
    for end in stride(from: 0, to: bytes.count, by: 97) {
      #expect(throws: (any Error).self) { try bytes[..<end].withUnsafeBytes { try TorchFile($0, path: "x") } }
    }
    for position in stride(from: 0, to: bytes.count, by: 13) {
      var copy = bytes
      copy[position] ^= 0x14
      _ = try? copy.withUnsafeBytes { try TorchFile($0, path: "x") }
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    let folder = try TemporaryFolder()
    let (a, b) = (Tensor.random([3, 5], seed: 1), Tensor.random([4], seed: 2))
    let item = TorchFile.Item.dictionary([
      ("inner", .dictionary([("a", .floats(a, transposed: true)), ("n", .integers([1, -2, 1 << 40]))])),
      ("b", .floats(b)),
    ])
    try TorchFile.write(item, to: folder("x.pth"))
    try TorchFile.write(item, to: folder("y.pth"))
    #expect(FileManager.default.contentsEqual(atPath: folder("x.pth"), andPath: folder("y.pth")))
    let file = try TorchFile(contentsOf: folder("x.pth"))
    guard case .tensor(let foundA)? = try file.dictionary("inner")["a"],
      case .tensor(let foundN)? = try file.dictionary("inner")["n"],
      case .tensor(let foundB)? = try file.dictionary()["b"]
    else { throw MalformedFile(path: "x", reason: "no tensors") }
    #expect(foundA.sizes == [5, 3] && foundA.strides == [1, 5])
    try expectSame(file.tensor(foundA.transposed, name: "a"), a, "a")
    try expectSame(file.tensor(foundB, name: "b"), b, "b")
    #expect(try file.integers(foundN, name: "n") == [1, -2, 1 << 40])
  }
}
