import Foundation
import SDLensTestSupport
import Testing

/// What foreign files say never steers the terminal; where closed streams lead.
@Suite struct TerminalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func expectHarmless(_ outcome: Outcome, contains text: String) {
    let all = outcome.out + outcome.err
    #expect(all.contains(text), "\(all)")
    for scalar in all.unicodeScalars {
      let isControl = scalar.properties.generalCategory == .control && scalar != "\n"
      #expect(!isControl && !(0x202A...0x202E ~= scalar.value), "\(scalar.value)")
    }
  }

  @Test func namesOfFiles() throws {
    let name = "no\u{1B}]0;owned\u{7}\u{9B}31m\u{202E}such"
    expectHarmless(
      try Command.run(["info", name], in: folder),
      contains: #"'no\u001b]0;owned\u0007\u009b31m\u202esuch' "#)
  }

  @Test func columnsOfTables() throws {
    try folder.write("a\u{1B}[31m,b\u{7F}\n1,2\n".utf8, to: "a.csv")
    expectHarmless(
      try Command.run(["collect", "--prompts", "a.csv"], in: folder),
      contains: #"has the columns a\u001b[31m, b\u007f, but"#)
  }

  @Test func wordsOfPrompts() throws {
    try folder.write(#""a red \u001b[31mdragon\u0085""#.utf8, to: "a.jsonl")
    expectHarmless(
      try Command.run(
        ["collect", "--prompts", "a.jsonl", "--block", "mid.0", "--sample-places", "1", "--name", "s"],
        in: folder),
      contains: #"\u001b"#)
  }

  @Test func keysOfConfigurations() throws {
    let model = try ModelCopy()
    try model.write(#"{"_class_name": "\u001b]0;owned\u0007X"}"#, to: "model_index.json")
    expectHarmless(try model.generate(), contains: #"\u001b]0;owned\u0007X"#)
  }

  @Test func captionsStayInTheirLines() throws {
    let workspace = try TrainedWorkspace()
    let lines = (0..<32).map { #"{"feature": \#($0), "caption": "\u001b[31mred\nx\u202ey", "score": NaN}"# }
    // CRLF, as an editor may leave it; NaN, as Python writes it.
    let text = lines.joined(separator: "\r\n") + "\r\n\r\n"
    for block in ["down.2.1", "up.0.1"] {
      try workspace.folder.write(text.utf8, to: "w/saes/\(block)/k4-n32/captions.jsonl")
    }
    let outcome = try workspace.run("features", ["--prompt", "a house", "--quiet"])
    expectHarmless(outcome, contains: #"\u001b[31mred\nx\u202ey"#)
  }

  @Test func closedStreamsLeadIntoNoFile() throws {
    func train(_ name: String, _ streams: String) throws -> Int32 {
      try shell(
        "exec '\(Command.program)' train-sae --limit 20 --block mid.0 --features 16 --k 2 --steps 20 --batch 64 "
          + "--save-every 5 --log-every 1 --workspace \(name) \(streams)", in: folder
      ).status
    }
    #expect(try train("a", "") == 0)
    #expect(try train("b", "2>&- >/dev/null") == 0)
    #expect(try train("c", "<&- >/dev/null 2>&-") == 0)
    // Nobody takes the result, which is no success; what was made is whole.
    #expect(try train("d", "<&- >&- 2>&-") == 1)
    let path = "saes/mid.0/k2-n16/sae.safetensors"
    let wanted = try Data(contentsOf: URL(fileURLWithPath: folder("a/\(path)")))
    for name in ["b", "c", "d"] {
      #expect(try Data(contentsOf: URL(fileURLWithPath: folder("\(name)/\(path)"))) == wanted, "\(name)")
      let log = try String(contentsOfFile: folder("\(name)/training/mid.0/k2-n16/log.jsonl"), encoding: .utf8)
      #expect(log.split(separator: "\n").allSatisfy { $0.hasPrefix("{") })
    }
  }

  @Test func theSystemsErrorsAreSentences() throws {
    try folder.write([1], to: "file")
    for arguments in [
      ["visualize", "blocks", "--prompt", "a", "--block", "mid.0", "--workspace", "file/w"],
      ["intervene", "--ablate", "mid.0", "--prompt", "a", "--output", "file/o"],
      ["collect", "--limit", "1", "--block", "mid.0", "--workspace", "file"],
      ["eval", "ablation", "--limit", "1", "--workspace", "file"],
    ] {
      let outcome = try Command.run(arguments + ["--quiet"], in: folder)
      #expect(outcome.status == 1)
      #expect(outcome.err.hasPrefix("Error: 'file/"), "\(outcome.err)")
      #expect(
        outcome.err.hasSuffix(
          "' cannot be written: 'file' is a file, but a folder is needed; choose another place\n"),
        "\(outcome.err)")
    }
  }

  @Test(arguments: [
    ["visualize", "blocks", "--block", "mid.0", "--prompt", "a grey dragon"],
    ["intervene", "--ablate", "mid.0", "--prompt", "a grey dragon"],
    ["generate", "--prompt", "a grey dragon"],
  ])
  func unknownWordsAreSaid(arguments: [String]) throws {
    let outcome = try Command.run(arguments, in: folder)
    #expect(outcome.status == 0)
    let note =
      #"The prompt has words that the model does not know: "grey" (perhaps "gray"), "dragon"; 'sdlens prompts' "#
    #expect(outcome.err.contains(note), "\(outcome.err)")
  }
}
