import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

@Suite struct PromptListTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func list(_ text: String, _ name: String, limit: Int? = nil) throws -> [String] {
    try PromptList(contentsOf: folder.write(Array(text.utf8), to: name), limit: limit).prompts
  }

  private func message(_ text: String, _ name: String) -> String {
    let message = errorMessage { _ = try list(text, name) }
    return message.replacingOccurrences(of: folder(name), with: "FILE")
  }

  @Test func linesOfText() throws {
    #expect(
      try list("a red cat\n  two, \"dogs\" \r\nein Bär", "a.txt") == [
        "a red cat", "two, \"dogs\"", "ein Bär",
      ])
    #expect(try list("a\nb\nc\n", "a.txt", limit: 2) == ["a", "b"])
    #expect(try list("a\nb\n", "a.txt", limit: 20) == ["a", "b"])
  }

  @Test func linesOfJSON() throws {
    let text = "\"a \\\"red\\\" cat\"\n{\"prompt\": \"a dog\", \"seed\": 3}\n{\"caption\": \"\"}\n"
    #expect(try list(text, "a.jsonl") == ["a \"red\" cat", "a dog", ""])
  }

  @Test func columnsOfCSV() throws {
    let text = "id,Caption\r\n1,a cat\n2,\"a \"\"big\"\", red\ncat\"\n3,\n"
    #expect(try list(text, "a.csv") == ["a cat", "a \"big\", red\ncat", ""])
  }

  @Test(arguments: [
    ("", "a.txt", "'FILE' is empty (0 bytes); download or write it again"),
    (
      "\n", "b.txt", "'FILE' has a blank line, line 1; delete it (an empty prompt can stand in a .jsonl file)"
    ),
    (
      "a\n \nb", "a.txt",
      "'FILE' has a blank line, line 2; delete it (an empty prompt can stand in a .jsonl file)"
    ),
    ("a", "a.doc", "'FILE' must end in .txt, .jsonl or .csv"),
    ("\"a\"\n{\"b\": 1}", "a.jsonl", "'FILE' line 2 has no text under 'caption', 'prompt' or 'text'"),
    ("\"a\"\n{", "a.jsonl", "'FILE' line 2 is not JSON: column 2: "),
    ("a,b\n1,2", "a.csv", "'FILE' has the columns a, b, but one named caption, prompt or text is needed"),
    ("a,text\n1,2\n3", "a.csv", "'FILE' line 3 has 1 fields, but the header has 2"),
    ("text\n\"a", "a.csv", "'FILE' line 2 begins a quoted field that never ends"),
    ("text\na\"b", "a.csv", "'FILE' line 2 has a quotation mark inside a field"),
    ("text\n\"a\"b", "a.csv", "'FILE' line 2 has text behind a quoted field"),
    ("text\n", "a.csv", "'FILE' holds no prompt; write one in each line"),
  ])
  func refusals(text: String, name: String, wanted: String) {
    let found = message(text, name)
    #expect(found.hasPrefix(wanted), "\(found)")
  }

  @Test func textInAnotherEncoding() throws {
    let path = try folder.write([0x61, 0xE4, 0x0A], to: "latin.txt")
    #expect(
      errorMessage { _ = try PromptList(contentsOf: path) }
        == "'\(path)' is not UTF-8 text; save it as UTF-8")
  }

  @Test func theFingerprintTellsListsApart() throws {
    func fingerprint(_ text: String) throws -> String {
      try PromptList(contentsOf: folder.write(Array(text.utf8), to: "a.txt")).fingerprint
    }
    #expect(try fingerprint("ab\nc") == fingerprint("ab\nc\n"))
    #expect(try fingerprint("ab\nc") != fingerprint("a\nbc"))
  }

  @Test func partsOfAJob() {
    #expect(ShardSelection("1/1") == .all)
    #expect(ShardSelection("3/8") != nil)
    for text in ["", "3", "0/8", "9/8", "1/0", "-1/2", "1/2/3", "a/b", "1 / 2"] {
      #expect(ShardSelection(text) == nil, "\(text)")
    }
  }
}
