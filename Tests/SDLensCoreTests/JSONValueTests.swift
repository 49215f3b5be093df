import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct JSONValueTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func value(_ text: String) throws -> JSONValue {
    try JSONValue(contentsOf: folder.write(text.utf8, to: "value.json"))
  }

  @Test func everyKindOfValueIsRead() throws {
    let text =
      #" {"a": [1, -2.5, 1e3, 0, -0.0, 12345678901234567890, [], {}], "é\n\"\\\u00e9\ud83d\ude00": true, "": null}"#
    #expect(
      try value(text)
        == .object([
          "a": [1, -2.5, 1000, 0, 0, .double(12345678901234567168), [], .object([:])],
          "é\n\"\\é😀": true, "": .null,
        ]))
    #expect(try value("\t\"text\"\r\n") == "text")
    #expect(try value("false") == false)
    #expect(try value("[1.0]") == [1])
    #expect(try value("\u{FEFF}[1]") == [1])
  }

  @Test(arguments: [
    ("[1,]", 1, 4, "a value is needed"),
    (" \u{FEFF}[1]", 1, 2, "a value is needed"),
    ("{\"a\": 1,\n \"b\" 2}", 2, 6, "a colon is needed"),
    ("{\"a\": 1,}", 1, 9, "a key in quotes is needed"),
    ("{\"a\": 1 \"b\": 2}", 1, 9, "a comma or '}' is needed"),
    ("[1 2]", 1, 4, "a comma or ']' is needed"),
    ("{\"a\": 1, \"a\": 2}", 1, 16, "the key 'a' is there twice"),
    ("[1]\n\n]", 3, 1, "nothing may follow the value"),
    ("[01]", 1, 4, "'01' is not a number"),
    ("[1.]", 1, 4, "'1.' is not a number"),
    ("[-]", 1, 3, "'-' is not a number"),
    ("[1e]", 1, 4, "'1e' is not a number"),
    ("1e400", 1, 6, "'1e400' is not a number"),
    ("NaN", 1, 1, "a value is needed"),
    ("truth", 1, 1, "a value is needed"),
    ("\"abc", 1, 5, "the text ends too early"),
    ("\"abc\\", 1, 6, "the text ends too early"),
    ("\"a\u{1}\"", 1, 3, "a control character must be escaped in a text"),
    (#""\x""#, 1, 5, "an escape in a text is wrong"),
    (#""\ud800""#, 1, 9, "an escape in a text is wrong"),
    ("[1", 1, 3, "the text ends too early"),
    (" ", 1, 2, "the text ends too early"),
    (String(repeating: "[", count: 200_000), 1, 102, "more than 100 brackets are open"),
  ])
  func aMistakeIsFoundAtItsPlace(_ text: String, _ line: Int, _ column: Int, _ reason: String) {
    #expect(
      errorMessage { try value(text) }
        == "'\(folder("value.json"))' is not valid JSON: line \(line), column \(column): \(reason)")
  }
}
