import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct WeightFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Writes one tensor `name` of one element.
  private func write(_ value: Float, named name: String = "a", to file: String) throws {
    try Safetensors.write([(name, Tensor([value], [1]))], to: folder(file))
  }

  private func writeIndex(_ map: [String: String], to file: String = "model.safetensors.index.json") throws {
    try folder.write(JSONEncoder().encode(["weight_map": map]), to: file)
  }

  private func open() throws -> WeightFile { try WeightFile(folder: folder.path, name: "model") }

  private var message: String { errorMessage(of: open) }

  @Test(arguments: ["model.safetensors", "model.fp16.safetensors"])
  func oneFile(name: String) throws {
    try write(3, to: name)
    let file = try open()
    #expect(file.path == folder(name))
    #expect(try file.root.tensor("a", [1]).elements == [3])
    try file.finish()
  }

  @Test(arguments: [
    "model.safetensors.index.json", "model.fp16.safetensors.index.json", "model.safetensors.index.fp16.json",
  ])
  func shardsWithAnIndex(name: String) throws {
    try write(1, named: "x.a", to: "model-1.safetensors")
    try write(2, named: "x.b", to: "model-2.safetensors")
    try writeIndex(["x.a": "model-1.safetensors", "x.b": "model-2.safetensors"], to: name)
    let file = try open()
    #expect(file.entries(ignoring: []).count == 2)
    #expect(try file.root["x"].tensor("b", [1]).elements == [2])
    #expect(try file.root["x"].tensor("a", [1]).elements == [1])
    try file.finish()
  }

  @Test func thePlainFileIsPreferred() throws {
    try write(16, to: "model.fp16.safetensors")
    try write(32, to: "model.safetensors")
    #expect(try open().root.tensor("a", [1]).elements == [32])
  }

  // diffusers and transformers, where a model was saved again in shards
  @Test(arguments: [("model", 32), ("diffusion_pytorch_model", 2)] as [(String, Float)])
  func shardsBesideAWholeFile(name: String, value: Float) throws {
    try write(32, to: "\(name).safetensors")
    try write(2, to: "\(name)-1.safetensors")
    try writeIndex(["a": "\(name)-1.safetensors"], to: "\(name).safetensors.index.json")
    #expect(
      try WeightFile(folder: folder.path, name: name).root.tensor("a", [1]).elements == [value])
    try FileManager.default.removeItem(atPath: folder("\(name)-1.safetensors"))
    #expect(try WeightFile(folder: folder.path, name: name).root.tensor("a", [1]).elements == [32])
  }

  @Test(arguments: ["fp16", "fp32", "bf16"]) func variantsInOtherFormatsAreRead(_ variant: String) throws {
    try write(2, to: "model.non_ema.safetensors")
    try write(3, to: "model.\(variant).safetensors")
    #expect(try open().root.tensor("a", [1]).elements == [3])
    try FileManager.default.removeItem(atPath: folder("model.\(variant).safetensors"))
    try write(4, to: "part.safetensors")
    try writeIndex(["a": "part.safetensors"], to: "model.safetensors.index.\(variant).json")
    #expect(try open().root.tensor("a", [1]).elements == [4])
  }

  // What lies around in folders of models: an index of shards that were not downloaded, pointers of Git, cut files.
  @Test func theFirstThatIsWholeIsTaken() throws {
    try write(16, to: "model.fp16.safetensors")
    try write(32, to: "1.safetensors")
    try writeIndex(["a": "1.safetensors", "b": "2.safetensors"])
    #expect(try open().files == [folder("model.fp16.safetensors")])
    #expect(try open().passedOver == nil)
    try folder.write("version https://git-lfs.github.com/spec/v1\noid sha256:0".utf8, to: "model.safetensors")
    #expect(try open().root.tensor("a", [1]).elements == [16])
    try folder.write([1, 0, 0], to: "model.safetensors")
    #expect(try open().root.tensor("a", [1]).elements == [16])
    #expect(
      try open().passedOver?.description
        == "'\(folder("model.safetensors"))' is not a whole safetensors file: it has 3 bytes, but the length of the header "
        + "alone takes 8; download or write it again")
    try FileManager.default.removeItem(atPath: folder("model.fp16.safetensors"))
    // What is said is of the first.
    #expect(
      message.hasPrefix("'\(folder("model.safetensors"))' is not a whole safetensors file: it has 3 bytes"))
    try write(8, to: "model.safetensors")
    #expect(try open().root.tensor("a", [1]).elements == [8])
    #expect(try open().passedOver == nil)
  }

  @Test func aPartMayHaveANameOfBefore() throws {
    try Safetensors.write(
      [("a.query.b", Tensor([1], [1])), ("a.to_k.b", Tensor([2], [1])), ("a.key.b", Tensor([3], [1]))],
      to: folder("model.safetensors"))
    let file = try open()
    #expect(try file.root["a"]["to_q", formerly: "query"].tensor("b", [1]).elements == [1])
    #expect(try file.root["a"]["to_k", formerly: "key"].tensor("b", [1]).elements == [2])
    #expect(file.root["a"]["to_v", formerly: "value"].path == "a.to_v")
    #expect(errorMessage { try file.finish() }.contains("1 tensor that the model does not have: 'a.key.b'"))
  }

  @Test func aFolderWithoutWeights() throws {
    let looked =
      "'\(folder.path)' has no weights: looked for model.safetensors, model.safetensors.index.json and their "
      + "variants fp16, fp32, bf16; "
    #expect(message == looked + "found nothing; download the model again")
    for name in ["config.json", "c1", "c2"] { try folder.write([1], to: name) }
    #expect(message == looked + "found 'c1', 'c2', 'config.json'; download the model again")
    for name in ["c3", "c4", "c5"] { try folder.write([1], to: name) }
    #expect(message == looked + "found 'c1', 'c2', 'c3', 'c4', 'c5', …; download the model again")
    try folder.write([1], to: "pytorch_model.bin")
    #expect(
      message == looked + "found only 'pytorch_model.bin', a pickle, which can run code when it is opened; "
        + "download the safetensors files, or save the model in Python with safe_serialization=True")
    try folder.write([1], to: "model.non_ema.safetensors")
    #expect(
      message == looked
        + "found 'model.non_ema.safetensors', which may be other weights; to use it, rename it to "
        + "'model.safetensors'")
  }

  @Test func aFolderThatIsNone() throws {
    let path = try folder.write([1], to: "x")
    #expect(
      errorMessage { try WeightFile(folder: path, name: "model") }
        == "'\(path)' is a file, but a folder with weights is needed; give the path of a folder")
    #expect(
      errorMessage { try WeightFile(folder: folder("none"), name: "model") }
        == "'\(folder("none"))' does not exist; check the path")
  }

  @Test func anIndexThatDoesNotFitItsShards() throws {
    let index = folder("model.safetensors.index.json")
    try write(1, to: "1.safetensors")

    try folder.write("[]".utf8, to: "model.safetensors.index.json")
    #expect(
      message
        == "'\(index)' is not an index of shards: the outermost value must be an object, "
        + "but a list was found; download it again")

    try folder.write("{}".utf8, to: "model.safetensors.index.json")
    #expect(
      message
        == "'\(index)' is not an index of shards: the outermost value has no 'weight_map'; download it again")

    try writeIndex(["a": "2.safetensors"])
    #expect(
      message == "'\(index)' names the file '2.safetensors', which is not there; download the shards again")

    try writeIndex(["a": "1.safetensors", "b": "1.safetensors"])
    #expect(
      message
        == "'\(index)' says that 'b' is in '1.safetensors', but it is not; download index and shards again")

    try write(1, named: "b", to: "2.safetensors")
    try Safetensors.write([("a", Tensor([1], [1])), ("b", Tensor([1], [1]))], to: folder("1.safetensors"))
    try writeIndex(["a": "1.safetensors", "b": "2.safetensors"])
    #expect(
      message == "'1.safetensors' holds 'b', but '\(index)' does not say so; download index and shards again")
  }

  @Test(arguments: ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ""])
  func anIndexMayNotLeaveItsFolder(file: String) throws {
    try writeIndex(["a": file])
    #expect(
      message == "'\(folder("model.safetensors.index.json"))' names the file '\(file)', "
        + "but only files in its own folder are read; correct the index")
  }
}
