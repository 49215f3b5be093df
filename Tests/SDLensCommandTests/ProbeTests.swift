import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens probe` on the store of the small model.
@Suite struct ProbeCommandTests {
  private let workspace: TrainedWorkspace
  init() throws { workspace = try TrainedWorkspace() }

  private struct Found: Decodable {
    struct Estimate: Decodable {
      let value: Double
      let n: Int
    }
    let block, site, method, target: String
    let codes: Bool
    let classes: Int
    let score: Estimate
    let chance: Double?
  }

  private func probe(_ arguments: String...) throws -> Found {
    let outcome = try workspace.run("probe", arguments + ["--json", "--quiet"])
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSON.decode(Found.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
  }

  @Test func rowsAreToldFromUpdatesAndCodes() throws {
    let found = try probe("--target", "row")
    #expect(found.block == "down.2.1" && found.site == "update" && found.method == "logistic")
    #expect(found.classes == 3 && found.score.n == 12 && found.score.value > (found.chance ?? 1))
    let codes = try probe("--target", "column", "--codes", "--block", "up.0.1")
    #expect(codes.codes && codes.block == "up.0.1" && 0...1 ~= codes.score.value)
    let text = try workspace.run("probe", ["--target", "row", "--quiet"]).out
    #expect(text.hasPrefix("The row from the update of down.2.1\n"), "\(text)")
  }

  @Test func aDirectionIsSavedAndAdded() throws {
    let labels = (0..<24).map { $0 % 3 == 0 ? "many" : "few" }.joined(separator: "\n")
    try workspace.folder.write(labels.utf8, to: "labels.txt")
    let found = try probe("--labels", "labels.txt", "--class", "many", "--save", "d.safetensors")
    #expect(found.classes == 2 && found.target == "labels.txt")
    #expect(try Safetensors(contentsOf: workspace.folder("d.safetensors")).tensor("map").shape == [32])
    let outcome = try workspace.run(
      "intervene", ["--direction", "d.safetensors", "--add", "2", "--prompt", "a house", "--quiet"])
    #expect(outcome.status == 0, "\(outcome.err)")
  }

  @Test func whatCannotBeToldIsRefused() throws {
    try workspace.folder.write("a\nb\n".utf8, to: "short.txt")
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      ([], 64, "nothing is to be told; give --target row, --target column or --labels"),
      (
        ["--target", "row", "--labels", "short.txt"], 64,
        "--target and --labels both say what is to be told; give one of them"
      ),
      (
        ["--labels", "short.txt"], 1,
        "'short.txt' has 2 lines, but there are 24 pictures; write a line for each, in their order"
      ),
      (["--labels", "none.txt"], 1, "'none.txt' does not exist; check the path"),
      (["--target", "row", "--class", "1"], 64, "--class says what --save writes; give --save too"),
      (
        ["--target", "row", "--codes", "--save", "d.safetensors"], 64,
        "--save writes a direction of the block's channels, but --codes probes features; leave one out"
      ),
      (
        ["--target", "row", "--site", "input", "--store", "x"], 64,
        "--site says which store is looked for, and --store names one; give one of them"
      ),
      (["--target", "row", "--pictures", "3"], 64, "pictures is 3, but it must be at least 4"),
      (
        ["--target", "row", "--save", "d.safetensors"], 1,
        "nothing can be probed: a direction is that of one class, and there is none named; the classes are: 0, 1, 2"
      ),
    ]
    try workspace.folder.write("a\nb\nc\nd\n".utf8, to: "four.txt")
    let heads = try workspace.run(
      "collect",
      ["--prompts", "four.txt", "--site", "heads", "--block", "down.2.1", "--name", "heads", "--quiet"])
    #expect(heads.status == 0, "\(heads.err)")
    let saved = try workspace.run(
      "probe", ["--store", "heads", "--target", "row", "--class", "1", "--save", "d.safetensors", "--quiet"])
    #expect(
      saved.status == 1
        && saved.err.hasSuffix(
          "has the outputs of heads, which are no channels of the block, so that --save has no direction for an edit; "
            + "leave --save out, or probe --site update\n"),
      "\(saved.err)")
    for (arguments, status, message) in cases {
      let outcome = try workspace.run("probe", arguments + ["--quiet"])
      #expect(outcome.status == status, "\(arguments)")
      #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
    }
    #expect(!FileManager.default.fileExists(atPath: workspace.folder("d.safetensors")))
  }
}
