import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct TextFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func lines(_ text: String) throws -> [String] {
    try TextFile(folder.write(Array(text.utf8), to: "a.txt")).lines.map(String.init)
  }

  @Test func linesEndAtThreeBreaksOnly() throws {
    #expect(try lines("a\nb\r\nc\rd") == ["a", "b", "c", "d"])
    #expect(try lines("a\n\r\n\rb\n") == ["a", "", "", "b"])
    #expect(try lines("a\u{2028}b\u{85}c\u{B}d\u{C}e\u{1C}f\n") == ["a\u{2028}b\u{85}c\u{B}d\u{C}e\u{1C}f"])
    // A mark that combines begins a line of its own.
    #expect(try lines("a\n\u{301}b\n\u{200D}c").map { $0.unicodeScalars.count } == [1, 2, 2])
  }

  @Test func theMarkIsDropped() throws {
    #expect(try lines("\u{FEFF}a\n\u{FEFF}b") == ["a", "\u{FEFF}b"])
  }

  /// Before memory is taken for it: the file has holes and takes no room.
  @Test func whatIsTooLongIsRefused() throws {
    let path = try folder.write([], to: "long.txt")
    #expect(truncate(path, 1 << 40) == 0)
    #expect(
      errorMessage { _ = try TextFile(path) }
        == "'\(path)' has 1099511627776 bytes, but at most 1073741824 of text are read; split it")
  }

  @Test func otherEncodings() throws {
    for (bytes, what) in [([0xFF, 0xFE, 0x61, 0], "UTF-16"), ([0x61, 0xE4], "not UTF-8")]
      as [([UInt8], String)]
    {
      let path = try folder.write(bytes, to: "b.txt")
      #expect(errorMessage { _ = try TextFile(path) } == "'\(path)' is \(what) text; save it as UTF-8")
    }
  }

  @Test func jsonAsPythonWritesIt() throws {
    let text = #"{"a": [NaN, -Infinity, Infinity], "b": 1e999, "c": 1, "c": 2}"#
    guard case .object(let fields) = try JSONValue(parsing: text, as: .python),
      case .array(let numbers)? = fields["a"], case .double(let nan) = numbers[0]
    else {
      Issue.record("no object")
      return
    }
    #expect(nan.isNaN)
    #expect(Array(numbers.dropFirst()) == [.double(-.infinity), .double(.infinity)])
    #expect(fields["b"] == .double(.infinity))
    #expect(fields["c"] == 2)
    for strict in ["NaN", "-Infinity", "1e999", #"{"c": 1, "c": 2}"#] {
      #expect(throws: JSONParser.Mistake.self) { try JSONValue(parsing: strict) }
    }
    for wrong in ["nan", "+1", "01", "Inf", "-", "[1,]", "'a'"] {
      #expect(throws: JSONParser.Mistake.self) { try JSONValue(parsing: wrong, as: .python) }
    }
  }
}
