import Foundation
import SDLensCore
import Testing

@Suite struct ConfigFileTests {
  private enum Activation: String, CaseIterable { case silu, gelu }

  @Test func valuesComeWithTheirTypeAndDefaults() throws {
    let config = try config(
      #"{"heads": 5, "depths": [1, 2, 10], "one": 2, "eps": 1e-5, "scale": 1.0, "flag": true, "act": "silu", "no": null}"#
    )
    #expect(try config.int("heads") == 5)
    #expect(try config.ints("depths") == [1, 2, 10])
    #expect(try config.ints("one", count: 3) == [2, 2, 2])
    #expect(try config.double("eps") == 1e-5)
    #expect(try config.double("scale") == 1 && config.int("scale") == 1 && config.double("heads") == 5)
    #expect(try config.bool("flag"))
    #expect(try config.string("act") == "silu")
    #expect(try config.choice("act") == Activation.silu)
    #expect(config["no"] == nil && config["act"] == "silu")
    #expect(try config.int("no", default: 7) == 7)
    #expect(try config.ints("absent", default: [3]) == [3])
    #expect(try config.choice("absent", default: Activation.gelu) == .gelu)
    try config.require("absent", .null)
    try config.require("absent", "text_time", "text")
    try config.require("act", "gelu", "silu")
    try config.require("scale", 1.0)
    try config.require("no", .null)
    // As Python takes it where something is true or false.
    #expect(try !config.bool("no", default: true))
    try config.require("no", false, default: true)
  }

  @Test(arguments: [
    (#"{"n": 0}"#, "'FILE': 'n' is 0, but it must be an integer from 1 to 16777216"),
    (#"{"n": 99999999999999999999}"#, "'FILE': 'n' is 1e+20, but it must be an integer from 1 to 16777216"),
    (#"{"n": 2.5}"#, "'FILE': 'n' is 2.5, but it must be an integer from 1 to 16777216"),
    (#"{"n": true}"#, "'FILE': 'n' is true, but it must be an integer from 1 to 16777216"),
    (#"{"n": "4"}"#, "'FILE': 'n' is \"4\", but it must be an integer from 1 to 16777216"),
    (#"{"m": 1}"#, "'FILE' has no 'n'; it must be an integer from 1 to 16777216"),
    (#"{"n": null}"#, "'FILE' has no 'n'; it must be an integer from 1 to 16777216"),
    (#"[1, 2]"#, "'FILE' does not hold a JSON object"),
    (#"{"n": 1"#, "'FILE' is not valid JSON: line 1, column 8: the text ends too early"),
    (#"{"n": NaN}"#, "'FILE': 'n' is nan, but it must be an integer from 1 to 16777216"),
    (#"{"n": -Infinity}"#, "'FILE': 'n' is -inf, but it must be an integer from 1 to 16777216"),
    ("", "'FILE' is empty (0 bytes); download or write it again"),
  ])
  func aBadIntegerIsNamed(_ text: String, _ message: String) {
    expectRefusal(text, message) { _ = try $0.int("n") }
  }

  @Test func everyOtherTypeIsCheckedToo() {
    expectRefusal(#"{"n": [1, -2]}"#, "'FILE': 'n' is [1, -2], but it must be 2 integers from 1 to 9") {
      _ = try $0.ints("n", count: 2, in: 1...9)
    }
    expectRefusal(#"{"n": [1, 2]}"#, "'FILE': 'n' is [1, 2], but it must be 3 integers from 1 to 9") {
      _ = try $0.ints("n", count: 3, in: 1...9)
    }
    expectRefusal(#"{"n": 4}"#, "'FILE': 'n' is 4, but it must be a list of integers from 1 to 9") {
      _ = try $0.ints("n", in: 1...9)
    }
    expectRefusal(#"{"n": -1}"#, "'FILE': 'n' is -1, but it must be a number from 0.0 to 1.0") {
      _ = try $0.double("n", in: 0...1)
    }
    expectRefusal(#"{"n": 1}"#, "'FILE': 'n' is 1, but it must be true or false") { _ = try $0.bool("n") }
    expectRefusal(#"{"n": {"a": 1}}"#, "'FILE': 'n' is an object of 1 keys, but it must be a text") {
      _ = try $0.string("n")
    }
    expectRefusal(
      #"{"n": "relu"}"#, "'FILE': 'n' is \"relu\", which is not supported; supported: \"silu\", \"gelu\""
    ) { _ = try $0.choice("n") as Activation }
    expectRefusal(#"{"n": 4}"#, "'FILE': 'n' is 4, which is not supported; supported: 2, null") {
      try $0.require("n", 2, .null)
    }
    expectRefusal(#"{"n": null}"#, "'FILE': 'n' is false, which is not supported; supported: true") {
      try $0.require("n", true)
    }
    expectRefusal("{}", "'FILE': 'n' is null, which is not supported; supported: \"text_time\"") {
      try $0.require("n", "text_time", default: .null)
    }
  }

  @Test func aFileThatCannotBeReadIsNamed() throws {
    let missing = #expect(throws: FileError.self) { try ConfigFile("/nowhere/config.json") }
    #expect(missing?.description == "'/nowhere/config.json' does not exist; check the path")
    try withFile(Data([0x7B, 0xFF, 0x7D])) { path in
      let error = #expect(throws: MalformedFile.self) { try ConfigFile(path) }
      #expect(error?.description == "'\(path)' is not UTF-8 text")
    }
  }

  /// Expects the message, in which FILE stands for the path of the config file.
  private func expectRefusal(
    _ text: String, _ message: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (ConfigFile) throws -> Void
  ) {
    #expect(sourceLocation: sourceLocation) {
      try withFile(Data(text.utf8)) { try body(ConfigFile($0)) }
    } throws: { error in
      let found = "\(error)".replacing(/'[^']*\/config-[^']*'/, with: "'FILE'")
      if found != message { Issue.record("\(found)", sourceLocation: sourceLocation) }
      return found == message
    }
  }

  private func config(_ text: String) throws -> ConfigFile {
    try withFile(Data(text.utf8)) { try ConfigFile($0) }
  }

  private func withFile<R>(_ data: Data, _ body: (String) throws -> R) throws -> R {
    let url = FileManager.default.temporaryDirectory.appending(path: "config-\(UUID()).json")
    try data.write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url.path)
  }
}
