import Foundation
import SDLensTestSupport
import Testing

/// Prompts that come from somewhere else than a plain file.
@Suite struct PromptSourceTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("a red circle\na blue star\na large ring\n".utf8, to: "p.txt")
    try folder.write("id,TEXT\n1,a red circle\n2,a blue star\n3,\"a large ring\"\n".utf8, to: "p.csv")
    let lines = ["a red circle", "a blue star", "a large ring"].map { #"{"caption": "\#($0)", "x": NaN}"# }
    try folder.write((lines.joined(separator: "\n") + "\n").utf8, to: "p.jsonl")
  }

  private func collect(_ before: String, _ prompts: String, _ workspace: String, _ after: String = "") throws
    -> Outcome
  {
    try shell(
      "\(before) '\(Command.program)' collect --block mid.0 --sample-places 2 --name s --workspace \(workspace) "
        + "--prompts \(prompts) \(after)", in: folder)
  }

  private func shard(_ workspace: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder("\(workspace)/activations/s/shard-00000.safetensors")))
  }

  @Test func aPipeGivesTheStoreOfTheFile() throws {
    #expect(try collect("", "p.txt", "file").status == 0)
    let wanted = try shard("file")
    for (index, (before, prompts, format)) in [
      ("", "<(cat p.txt)", "lines of text"), ("cat p.csv |", "-", "CSV"),
      ("cat p.jsonl |", "/dev/stdin", "JSON Lines"),
      ("", "- <p.csv", "CSV"),
    ].enumerated() {
      let outcome = try collect(before, prompts, "w\(index)")
      #expect(outcome.status == 0, "\(outcome.err)")
      #expect(outcome.err.contains("was read as \(format): 3 prompts\n"), "\(outcome.err)")
      #expect(try shard("w\(index)") == wanted, "\(prompts)")
      // The same command goes on, because it makes the same pipe.
      let again = try collect(before, prompts, "w\(index)")
      #expect(again.err.contains("has nothing left to record"), "\(again.err)")
    }
  }

  /// Blocks of two levels are streamed one after the other; the pipe is read once.
  @Test func severalBlocksShareAPipe() throws {
    func train(_ before: String, _ prompts: String, _ workspace: String) throws -> [Data] {
      let outcome = try shell(
        "\(before) '\(Command.program)' train-sae --stream --block down.2.1 up.1.1 --features 8 --k 2 --steps 3 "
          + "--batch 32 --workspace \(workspace) --prompts \(prompts) --quiet", in: folder)
      #expect(outcome.status == 0, "\(outcome.err)")
      return try ["down.2.1", "up.1.1"].map {
        try Data(contentsOf: URL(fileURLWithPath: folder("\(workspace)/saes/\($0)/k2-n8/sae.safetensors")))
      }
    }
    #expect(try train("", "p.txt", "a") == train("cat p.txt |", "-", "b"))
  }

  @Test(arguments: [
    (": |", "-", "", "'-' holds no prompt; write one in each line"),
    ("printf 'a\\n\\nb\\n' |", "-", "", "'-' has a blank line, line 2; "),
    ("printf 'caption,id\\na,b,1\\n' |", "-", "", "'-' line 2 has 3 fields, but the header has 2; "),
    ("printf '{\"caption\": \"a\"}\\nb\\n' |", "/dev/stdin", "", "'/dev/stdin' line 2 is not JSON: "),
    ("", "p.txt", "--column x", "'p.txt' is text without columns, but --column names 'x'; leave it out"),
    ("", "p.csv", "--column url", "'p.csv' has the columns id, TEXT, but one named 'url' is needed; "),
    ("", "/dev/null", "", "'/dev/null' is a device or a pipe, but a regular file is needed; "),
  ])
  func whatCannotBeReadIsNamed(before: String, prompts: String, after: String, message: String) throws {
    let outcome = try collect(before, prompts, "w", after)
    #expect(outcome.err.hasPrefix("Error: " + message), "\(outcome.err)")
    #expect(outcome.status == 1)
    #expect(!(try folder.contents).contains("w"))
  }

  @Test func aColumnNeedsAFile() throws {
    let outcome = try Command.run(["collect", "--column", "x"], in: folder)
    #expect(
      outcome.err.hasPrefix("Error: --column names a column of a file; give the file with --prompts\n"))
    #expect(outcome.status == 64)
  }

  @Test func wordsThatTheModelDoesNotKnowAreCounted() throws {
    try folder.write("a red circle\na grey star\na dragon\n".utf8, to: "q.txt")
    let outcome = try collect("", "q.txt", "w")
    #expect(
      outcome.err.contains(
        #"2 of the 3 prompts have words that the model does not know: "grey" (perhaps "gray"), "dragon"; "#),
      "\(outcome.err)")
  }
}
