import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// `sdlens train-sae` of every kind, and on vectors from a file.
@Suite struct TrainKindTests {
  private let folder: TemporaryFolder
  private let vectors = Tensor.random([500, 12], seed: 1)

  init() throws {
    folder = try TemporaryFolder()
    try Safetensors.write([("x", vectors)], to: folder("vectors.safetensors"))
    try writeNumpy(vectors, to: "vectors.npy")
  }

  /// `numpy.save`
  private func writeNumpy(
    _ tensor: Tensor, descr: String = "<f4", order: String = "False", shape: String? = nil, to name: String
  ) throws {
    let extents = shape ?? "(\(tensor.shape[0]), \(tensor.shape[1]))"
    var header = "{'descr': '\(descr)', 'fortran_order': \(order), 'shape': \(extents), }"
    header += String(repeating: " ", count: 117 - header.count) + "\n"
    let numbers = tensor.elements.withUnsafeBytes { Array($0) }
    let start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0]
    try folder.write(start + Array(header.utf8) + numbers, to: name)
  }

  @Test func arraysAreEncodedLikeTensors() throws {
    for (name, codes) in [("vectors.safetensors", "a.safetensors"), ("vectors.npy", "b.safetensors")] {
      let outcome = try Command.run(
        ["encode", "--sae", DictionaryTests.unbox, "--input", name, "--output", codes], in: folder)
      #expect(outcome == Outcome(status: 0, out: "\(codes)\n", err: ""))
    }
    #expect(try shell("cmp a.safetensors b.safetensors", in: folder).status == 0)
    try writeNumpy(.random([3, 11], seed: 1), to: "narrow.npy")
    let narrow = try Command.run(
      ["encode", "--sae", DictionaryTests.unbox, "--input", "narrow.npy", "--output", "c.safetensors"],
      in: folder)
    #expect(
      narrow.err
        == "Error: 'narrow.npy' has shape [3, 11], but [N, 12] is needed, as wide as the dictionary\n")
  }

  private func train(_ arguments: String...) throws -> Outcome {
    try Command.run(
      [
        "train-sae", "--features", "24", "--k", "3", "--steps", "30", "--batch", "64", "--aux-k", "8",
        "--dead-after", "500", "--workspace", "w",
      ] + arguments, in: folder)
  }

  @Test(arguments: [
    ("topk", [], "k3-n24"), ("batch-topk", [], "batch-topk-k3-n24"),
    ("matryoshka", ["--levels", "4,12"], "matryoshka-k3-n24"), ("jumprelu", [], "jumprelu-k3-n24"),
    ("jumprelu", ["--l0-penalty", "0.05", "--bandwidth", "0.5"], "jumprelu-l0-0.05-n24"),
    ("topk", ["--freeze", "decoder"], "k3-n24-frozen-decoder"),
  ]) func everyKind(architecture: String, options: [String], name: String) throws {
    let arguments = ["--input", "vectors.safetensors", "--architecture", architecture, "--json"] + options
    let outcome = try Command.run(
      [
        "train-sae", "--features", "24", "--k", "3", "--steps", "30", "--batch", "64", "--workspace", "w",
      ] + arguments, in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [[String: Any]])
    let report = reports[0]
    let sae = "w/saes/vectors/\(name)"
    #expect(report["dictionary"] as? String == sae)
    #expect(report["architecture"] as? String == architecture)
    #expect(report["k"] as? Int == (architecture == "topk" ? 3 : nil))
    let l0 = try #require(report["l0"] as? Double)
    #expect(l0 > 0 && l0 <= 24)
    let saved = try SavedAutoencoder.read(folder(sae))
    #expect(saved.block == nil)
    #expect((saved.l0 == nil) == (architecture == "topk"))
    #expect(abs((saved.l0 ?? l0) - l0) < 1e-9)

    // Its codes have rows of any length; decoded, they are what the dictionary reconstructs.
    let encoded = try Command.run(
      ["encode", "--sae", sae, "--input", "vectors.safetensors", "--output", "codes.safetensors"], in: folder)
    #expect(encoded.status == 0, "\(encoded.err)")
    let codes = try Safetensors(contentsOf: folder("codes.safetensors"))
    #expect(codes.names.contains("starts") == (architecture != "topk"))
    let decoded = try Command.run(
      ["encode", "--decode", "--sae", sae, "--input", "codes.safetensors", "--output", "rows.safetensors"],
      in: folder)
    #expect(decoded.status == 0, "\(decoded.err)")
    let sums = saved.autoencoder.encode(vectors)
    #expect(abs(Double(sums.count) / 500 - l0) < 1e-6)
    expectSame(
      try Safetensors(contentsOf: folder("rows.safetensors")).tensor("rows"),
      saved.autoencoder.decode(sums), "rows")
  }

  /// The same bytes from either file, and with an interruption.
  @Test func vectorsFromAnywhere() throws {
    let first = try train("--input", "vectors.safetensors", "--block", "mid.0")
    #expect(first.status == 0, "\(first.err)")
    #expect(first.out == "w/saes/mid.0/k3-n24\n")
    #expect(first.err.contains("mid.0: k3-n24 on 500 vectors of 'vectors.safetensors', 30 steps"))
    #expect(first.err.contains("mid.0 k3-n24: explained variance "))
    let second = try train("--input", "vectors.npy", "--quiet")
    #expect(second == Outcome(status: 0, out: "w/saes/vectors/k3-n24\n", err: ""))
    #expect(try SavedAutoencoder.read(folder("w/saes/mid.0/k3-n24")).block == "mid.0")
    let files = ["mid.0", "vectors"].map { folder("w/saes/\($0)/k3-n24/") }
    let found = try files.map { try SavedAutoencoder.read($0) }
    expectSame(found[0].autoencoder.encoder, found[1].autoencoder.encoder, "encoder")
    #expect(
      FileManager.default.contentsEqual(
        atPath: files[0] + "statistics.safetensors", andPath: files[1] + "statistics.safetensors"))
    let whole = try Data(contentsOf: URL(fileURLWithPath: files[1] + "sae.safetensors"))
    let log = try Data(contentsOf: URL(fileURLWithPath: folder("w/training/vectors/k3-n24/log.jsonl")))
    // Column by column, the same vectors.
    let columns = (0..<12).flatMap { c in (0..<500).map { vectors[$0 * 12 + c] } }
    try writeNumpy(Tensor(columns, [500, 12]), order: "True", to: "columns.npy")
    #expect(try train("--input", "columns.npy", "--quiet").status == 0)
    expectSame(
      try SavedAutoencoder.read(folder("w/saes/columns/k3-n24")).autoencoder.encoder,
      found[0].autoencoder.encoder, "encoder")
    // The same command again changes nothing; a file of other numbers is another training.
    #expect(try train("--input", "vectors.npy", "--quiet").status == 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: files[1] + "sae.safetensors")) == whole)
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: folder("w/training/vectors/k3-n24/log.jsonl"))) == log)
    try writeNumpy(.random([500, 12], seed: 2), to: "vectors.npy")
    let other = try train("--input", "vectors.npy", "--quiet")
    #expect(other.status == 1)
    #expect(
      other.err.hasPrefix("Error: 'w/training/vectors/k3-n24' was begun with data "), "\(other.err)")
  }

  @Test func filesWithoutVectors() throws {
    func message(_ file: String, _ arguments: String...) throws -> String {
      let outcome = try Command.run(
        ["train-sae", "--workspace", "w", "--input", file, "--quiet"] + arguments, in: folder)
      #expect(outcome.status == 1)
      return outcome.err
    }
    try Safetensors.write([("x", vectors), ("y", vectors)], to: folder("two.safetensors"))
    #expect(
      try message("two.safetensors")
        == "Error: 'two.safetensors' holds 2 tensors; choose one with --tensor: x, y\n")
    try Safetensors.write([("x", Tensor([4, 5, 6]))], to: folder("three.safetensors"))
    #expect(
      try message("three.safetensors")
        == "Error: 'three.safetensors' holds 'x' of shape [4, 5, 6], but [rows, width] is needed\n")
    #expect(
      try message("vectors.npy", "--tensor", "x")
        == "Error: 'vectors.npy' is one array without a name; leave --tensor out\n")
    #expect(try message("none.npy") == "Error: 'none.npy' does not exist; check the path\n")
    try writeNumpy(vectors, descr: "<i4", to: "whole.npy")
    #expect(try message("whole.npy").hasPrefix("Error: 'whole.npy' holds numbers of the type '<i4', but "))
    try writeNumpy(vectors, shape: "(501, 12)", to: "short.npy")
    #expect(
      try message("short.npy")
        == "Error: 'short.npy' has 24000 bytes of numbers, but its shape [501, 12] needs 6012 of 4 bytes; write it "
        + "again\n")
    try folder.write(Array("PK\u{3}\u{4} and so on".utf8), to: "zip.npy")
    #expect(try message("zip.npy") == "Error: 'zip.npy' is not a file of NumPy (.npy)\n")
    var broken = vectors
    broken[37] = .nan
    try writeNumpy(broken, to: "nan.npy")
    #expect(try message("nan.npy").contains("is nan in component 1, but vectors must be finite"))
  }

  @Test(arguments: [
    (
      ["--architecture", "gated"],
      "The value 'gated' is invalid for '--architecture <name>'. Please provide one of 'topk', 'batch-topk', "
        + "'matryoshka' or 'jumprelu'."
    ),
    (
      ["--architecture", "matryoshka", "--levels", "64,32"],
      "the training setting 'levels' is 64, 32, 131072, but it must be numbers of features that grow, from 1 to 131072"
    ),
    (
      ["--architecture", "batch-topk", "--k", "0"],
      "the training setting 'k' is 0, but it must be from 1 to the number of features, 131072"
    ),
    (
      ["--levels", "8"],
      "the training setting 'levels' is [8], but it must be left out: the architecture topk has none"
    ),
    (
      ["--architecture", "jumprelu", "--l0-penalty", "1", "--k", "5,10"],
      "--l0-penalty takes the place of k; give one k, or leave --l0-penalty out"
    ),
    (["--freeze", "both"], "The value 'both' is invalid for '--freeze <half>'"),
    (["--tensor", "x"], "--tensor names a tensor of --input; leave it out, or give an --input"),
    (
      ["--input", "x.npy", "--store", "y"],
      "--input brings the vectors; leave out --store, --stream, --prompts and --limit, or --input"
    ),
    (
      ["--input", "x.npy", "--block", "mid.0", "up.0.1"],
      "the vectors of --input are of one block at most; name one, or none"
    ),
  ]) func usage(arguments: [String], message: String) throws {
    let outcome = try Command.run(["train-sae"] + arguments, in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.err.hasPrefix("Error: \(message)"), "\(outcome.err)")
  }
}
