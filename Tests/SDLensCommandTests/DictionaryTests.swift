import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// `sdlens convert` and `sdlens encode`.
@Suite struct DictionaryTests {
  private static let goldens =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/SDLensSparseTests/Goldens/"
  static let unbox = goldens + "formats/sdxl-unbox"

  @Test(arguments: ["sdlens", "sdxl-unbox", "saelens", "sparsify"]) func convertsThereAndBack(format: String)
    throws
  {
    let folder = try TemporaryFolder()
    let there = try Command.run(["convert", Self.unbox, "a", "--to", format], in: folder)
    #expect(there == Outcome(status: 0, out: "a\n", err: ""))
    #expect(try Command.run(["convert", "a", "b", "--to", "sdlens"], in: folder).status == 0)
    #expect(try Command.run(["convert", Self.unbox, "c", "--to", "sdlens"], in: folder).status == 0)
    for file in ["sae.json", "sae.safetensors"] {
      #expect(FileManager.default.contentsEqual(atPath: folder("b/" + file), andPath: folder("c/" + file)))
    }
    #expect(try folder.contents == ["a", "b", "c"])
  }

  @Test func convertReportsAsJSON() throws {
    let outcome = try Command.run(
      ["convert", Self.unbox, "a", "--to", "saelens", "--json"], in: TemporaryFolder())
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any])
    #expect(result["source_format"] as? String == "sdxl-unbox")
    #expect(result["format"] as? String == "saelens")
    #expect(result["features"] as? Int == 24)
    #expect(result["width"] as? Int == 12)
    #expect(result["k"] as? Int == 3)
    #expect(result["has_last_active"] as? Bool == true)
  }

  @Test func encodesAndDecodes() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(
      [
        "encode", "--sae", Self.unbox, "--input", Self.goldens + "formats.safetensors", "--tensor", "h",
        "--output",
        "codes.safetensors", "--json",
      ], in: folder)
    #expect(outcome.status == 0)
    let wanted = try Safetensors(contentsOf: Self.goldens + "formats.safetensors")
    let codes = try Safetensors(contentsOf: folder("codes.safetensors"))
    try wanted.expect(codes.tensor("values"), equals: "codes.values", within: 1e-6)
    #expect(codes.entry("indices")?.type == .i32)
    #expect(codes.entry("indices")?.shape == [40, 3])
    let back = try Command.run(
      [
        "encode", "--sae", Self.unbox, "--decode", "--input", "codes.safetensors", "--output",
        "rows.safetensors",
      ], in: folder)
    #expect(back == Outcome(status: 0, out: "rows.safetensors\n", err: ""))
    try wanted.expect(
      Safetensors(contentsOf: folder("rows.safetensors")).tensor("rows"), equals: "rows", within: 1e-6)
    let fewer = try Command.run(
      [
        "encode", "--sae", Self.unbox, "--input", Self.goldens + "formats.safetensors", "--tensor", "h",
        "--output",
        "one.safetensors", "--k", "1",
      ], in: folder)
    #expect(fewer.status == 0)
    #expect(try Safetensors(contentsOf: folder("one.safetensors")).entry("values")?.shape == [40, 1])
  }

  /// Of vectors that are all equal there is no variance to explain: said, null in JSON, and all files are whole.
  @Test func varianceOfEqualVectorsIsUndefined() throws {
    let folder = try TemporaryFolder()
    try folder.write([], to: "s/empty")
    let manifest = ActivationManifest(
      model: "m", modelFingerprint: "f", site: "update",
      blocks: [.init(name: "down.2.1", width: 12, mapHeight: 2, mapWidth: 2)], dtype: .float32, pictures: 3,
      picturesPerShard: 3, places: nil, seed: 7, steps: 1, guidance: 0, height: 16, width: 16, prompts: "p")
    try JSON.write(manifest, to: folder("s/manifest.json"))
    try ActivationShard.write(
      0, of: manifest,
      ["down.2.1": .init(vectors: Tensor(repeating: 0.7, [3, 1, 4, 12]), places: nil)],
      prompts: ["a", "b", "c"], in: folder("s"))
    #expect(try Command.run(["convert", Self.unbox, "d", "--to", "sdlens"], in: folder).status == 0)
    let arguments = ["statistics", "--sae", "d", "--store", "s", "--block", "down.2.1"]
    let said = "The vectors of down.2.1 are all equal, so there is no variance to explain\n"
    let outcome = try Command.run(arguments + ["--json"], in: folder)
    #expect(outcome.status == 0 && outcome.err.contains(said), "\(outcome.err)")
    for key in ["explained_variance", "mean_explained_variance", "components_explained_variance"] {
      #expect(outcome.out.contains("\"\(key)\" : null"), "\(outcome.out)")
    }
    let table = try Command.run(arguments + ["--quiet"], in: folder)
    #expect(table.status == 0 && table.out.contains("Explained variance") && table.out.contains("undefined"))
    #expect(try DictionaryFolder(folder("d")).statistics?.vectors == 12)
  }

  /// float64 is rounded, which is said on standard error and nowhere else.
  @Test func float64IsRoundedAndSaid() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.unbox, toPath: folder("sae"))
    try FileManager.default.removeItem(atPath: folder("sae/state_dict.pth"))
    try FileManager.default.copyItem(
      atPath: Self.goldens + "variants/torch/double.pth", toPath: folder("sae/state_dict.pth"))
    let outcome = try Command.run(["convert", "sae", "a", "--to", "sdlens"], in: folder)
    #expect(outcome.status == 0 && outcome.out == "a\n")
    #expect(
      outcome.err
        == "'sae/state_dict.pth' has float64 in 'encoder.weight', 'decoder.weight', 'pre_bias', 'latent_bias', "
        + "rounded to float32\n")
    try Safetensors.write([.init("rows", Tensor(repeating: 1, [2, 12]))], to: folder("rows.safetensors"))
    for arguments in [
      ["convert", "sae", "b", "--to", "sdlens"],
      ["encode", "--sae", "sae", "--input", "rows.safetensors", "--output", "codes.safetensors"],
      ["eval", "match", "sae", "a"],
    ] {
      let quiet = try Command.run(arguments + ["--quiet"], in: folder)
      #expect(quiet.status == 0 && quiet.err.isEmpty, "\(arguments): \(quiet.err)")
    }
  }

  @Test func destinationMustBeEmpty() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "a/file")
    let outcome = try Command.run(["convert", Self.unbox, "a", "--to", "saelens"], in: folder)
    #expect(outcome.err == "Error: 'a' is there already and not an empty folder; choose another place\n")
    #expect(outcome.status == 1)
  }

  @Test func aPickleThatRunsSomethingIsRefused() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.unbox, toPath: folder("sae"))
    try FileManager.default.removeItem(atPath: folder("sae/state_dict.pth"))
    try FileManager.default.copyItem(
      atPath: Self.goldens + "formats/refused/system.pth", toPath: folder("sae/state_dict.pth"))
    let outcome = try Command.run(["convert", "sae", "a", "--to", "sdlens"], in: folder)
    #expect(outcome.err.contains("its pickle asks for 'posix.system'"))
    #expect(outcome.status == 1)
    #expect(try folder.contents == ["sae"])
  }

  /// Inputs of `encode` that do not fit a dictionary of 24 features and width 12.
  static let inputs: [(tensors: [(String, Tensor)], arguments: [String], says: String)] = [
    ([("x", Tensor([4, 11]))], [], "'x' in 'in.safetensors' has shape [4, 11], but [N, 12] is needed"),
    ([("x", Tensor([48]))], [], "'x' in 'in.safetensors' has shape [48], but [N, 12] is needed"),
    ([("x", Tensor(repeating: .nan, [1, 12]))], [], "'x' in 'in.safetensors' holds nan in row 0"),
    (
      [("x", Tensor([1, 12])), ("y", Tensor([1, 12]))], [], "holds 2 tensors; choose one with --tensor: x, y"
    ),
    (
      [("x", Tensor([1, 12]))], ["--tensor", "z"],
      "'z' is not in 'in.safetensors'; the nearest name there is 'x'"
    ),
    ([("x", Tensor([1, 12]))], ["--k", "25"], "has only 24 features; choose a smaller one"),
    ([("x", Tensor([1, 12]))], ["--decode"], "'indices' is not in 'in.safetensors'"),
  ]

  @Test(arguments: inputs.indices) func encodeRefuses(index: Int) throws {
    let input = Self.inputs[index]
    let folder = try TemporaryFolder()
    try Safetensors.write(input.tensors.map { ($0.0, $0.1) }, to: folder("in.safetensors"))
    let outcome = try encode(input.arguments, in: folder)
    #expect(outcome.err.contains(input.says), "\(outcome.err)")
    #expect(outcome.status == 1)
    #expect(try folder.contents == ["in.safetensors"])
  }

  static let codes: [(indices: [Int32], values: [Float], says: String)] = [
    ([0, 24], [1, 1], "holds 24 in row 0, but the dictionary has features 0 to 23"),
    ([-1, 3], [1, 1], "holds -1 in row 0, but the dictionary has features 0 to 23"),
    ([0, 1], [1, -1], "holds -1.0 in row 0, but activations are never negative"),
    ([0, 1], [1, .infinity], "holds inf in row 0, but all values must be finite"),
    ([0], [1, 1], "have shapes [1, 1] and [1, 2], but [N, k] twice is needed"),
  ]

  @Test(arguments: codes.indices) func decodeRefuses(index: Int) throws {
    let (indices, values, says) = Self.codes[index]
    let folder = try TemporaryFolder()
    try Safetensors.write(
      [.init("indices", indices, [1, indices.count]), .init("values", Tensor(values, [1, values.count]))],
      to: folder("in.safetensors"))
    let outcome = try encode(["--decode"], in: folder)
    #expect(outcome.err.contains(says), "\(outcome.err)")
    #expect(outcome.status == 1)
  }

  static let usage = [
    (["--output", "x.pt"], "--output is 'x.pt', but it must end in .safetensors"),
    (["--output", "x.safetensors", "--k", "0"], "k is 0, but it must be at least 1"),
    (
      ["--output", "x.safetensors", "--decode", "--k", "2"],
      "--decode takes all values of the input; leave --k out"
    ),
    (
      ["--output", "x.safetensors", "--decode", "--tensor", "x"],
      "--decode reads 'indices' and 'values'; leave --tensor out"
    ),
  ]

  @Test(arguments: usage) func usageIsChecked(arguments: [String], says: String) throws {
    let outcome = try Command.run(
      ["encode", "--sae", "s", "--input", "i"] + arguments, in: TemporaryFolder())
    #expect(outcome.err.hasPrefix("Error: " + says))
    #expect(outcome.status == 64)
  }

  private func encode(_ arguments: [String], in folder: TemporaryFolder) throws -> Outcome {
    try Command.run(
      ["encode", "--sae", Self.unbox, "--input", "in.safetensors", "--output", "out.safetensors"] + arguments,
      in: folder)
  }
}
