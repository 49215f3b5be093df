import Foundation
import SDLensStudy
import SDLensTestSupport
import Testing

/// Results that a measurement finds again after it was stopped.
@Suite struct ResultCacheTests {
  private struct Finding: Codable, Equatable {
    let right: [String: [Int]]
    let change: Double
    let share: Float
    let note: String?
  }

  private let folder: TemporaryFolder
  private let finding = Finding(
    right: ["shape": [1, 2], "place": [3, 4]], change: 0.1 + 0.2, share: 1 / 3, note: "a/b \"ü\"")

  init() throws { folder = try TemporaryFolder() }

  private var path: String { folder("done.jsonl") }

  private func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  @Test func whatWasKeptIsThere() throws {
    let first = try ResultCache<Finding>(path)
    try first.keep(finding, as: "0")
    try first.keep(Finding(right: [:], change: 1e-300, share: .leastNonzeroMagnitude, note: nil), as: "a b")
    let second = try ResultCache<Finding>(path)
    #expect(second.count == 2 && second["0"] == finding && second["a b"]?.change == 1e-300)
    #expect(try second.value("0") { fatalError("made again") } == finding)
  }

  @Test func onlyToLookChangesNothing() throws {
    try ResultCache<Double>(path).keep(0.25, as: "x")
    let written = try text()
    for _ in 0..<3 { #expect(try ResultCache<Double>(path).count == 1) }
    #expect(try text() == written && !written.contains("\n\n"))
  }

  @Test func lettersStandByThemselves() throws {
    try ResultCache<Double>(path).keep(0.25, as: "x")
    #expect(try ResultCache<Double>(path)["x"] == 0.25)
  }

  /// Each is JSON of the right kind, and one that was never written.
  @Test(arguments: [("[1,2]", "[1]"), ("0.30000000000000004", "0.4"), (#""key":"0""#, #""key":"1""#)])
  func whatWasChangedIsMadeAgain(_ old: String, _ new: String) throws {
    try ResultCache<Finding>(path).keep(finding, as: "0")
    let written = try text()
    #expect(written.contains(old))
    try folder.write(written.replacing(old, with: new).utf8, to: "done.jsonl")
    let cache = try ResultCache<Finding>(path)
    #expect(cache.count == 0)
    #expect(try cache.value("0") { finding } == finding)
    #expect(try ResultCache<Finding>(path)["0"] == finding)
  }

  /// As a full disk or a crash leaves it, in the middle of a character.
  @Test func ofALineThatWasCutOnlyThatIsLost() throws {
    let cache = try ResultCache<String>(path)
    for key in ["0", "1"] { try cache.keep("Straße", as: key) }
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    for count in 0..<bytes.count {
      try folder.write(bytes.prefix(count), to: "done.jsonl")
      let lines = bytes.prefix(count).count { $0 == UInt8(ascii: "\n") }
      // What lacks only the end of its line is whole.
      let isWhole = bytes[count] == UInt8(ascii: "\n") && count > 0
      #expect(try ResultCache<String>(path).count == lines + (isWhole ? 1 : 0), "\(count) bytes")
      try ResultCache<String>(path).keep("made again", as: "2")
      #expect(try ResultCache<String>(path)["2"] == "made again")
    }
  }

  @Test func aFileThatCannotBeReadIsNoEmptyOne() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    #expect(errorMessage { try ResultCache<Double>(path) } != "")
  }

  @Test func linesWithoutACheckAreTaken() throws {
    let lines = [#"{"key":"0","value":2.5}"#, #"{"key":"1","val"#]
    try folder.write(lines.joined(separator: "\n").utf8, to: "done.jsonl")
    let cache = try ResultCache<Double>(path)
    #expect(cache.count == 1 && cache["0"] == 2.5)
  }
}
