import Foundation
import SDLensTestSupport
import Testing

/// A `sdlens explore` that runs while it is needed, with the small model and its dictionaries unless told otherwise.
final class ExploreServer: @unchecked Sendable {
  let workspace: TrainedWorkspace
  let port: Int
  let token: String
  private let process = Process()

  struct NoAddress: Error { let said: String }

  init(
    _ workspace: TrainedWorkspace? = nil, _ arguments: [String] = [], port: Int = 0,
    model: [String] = ["--model", Command.tinyModel]
  ) throws {
    self.workspace = try workspace ?? TrainedWorkspace()
    let folder = self.workspace.folder
    process.executableURL = URL(fileURLWithPath: Command.program)
    process.arguments = ["explore", "--port", "\(port)", "--workspace", "w", "--quiet"] + model + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path]
    process.standardInput = FileHandle.nullDevice
    let (out, errors) = (Pipe(), Pipe())
    process.standardOutput = out
    process.standardError = errors
    try process.run()
    var line = Data()
    while !line.contains(UInt8(ascii: "\n")) {
      let more = out.fileHandleForReading.availableData
      guard !more.isEmpty else {
        throw NoAddress(
          said: String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))
      }
      line += more
    }
    let address = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard let match = address.wholeMatch(of: /http:\/\/127\.0\.0\.1:(\d+)\/([0-9a-f]{32})\//) else {
      throw NoAddress(said: address)
    }
    (self.port, token) = (Int(match.1)!, String(match.2))
  }

  deinit { stop() }

  var address: String { "http://127.0.0.1:\(port)/\(token)/" }

  /// Ends it by a signal; gives what a shell sees.
  @discardableResult func stop(_ signal: Int32 = SIGKILL) -> Int32 {
    guard process.isRunning else { return process.terminationStatus }
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Reads a page.
  func get(_ path: String, headers: [String: String] = [:]) throws -> HTTPClient.Reply {
    try HTTPClient.ask("GET", "/\(token)/\(path)", port: port, headers: headers)
  }

  /// Calls, with JSON that may be none; `page` is that of another model, such as "2/".
  func call(_ name: String, _ json: String, headers: [String: String] = [:], page: String = "") throws
    -> HTTPClient.Reply
  {
    try HTTPClient.ask(
      "POST", "/\(token)/\(page)api/\(name)", port: port,
      headers: ["Content-Type": "application/json"].merging(headers) { $1 }, body: Data(json.utf8))
  }

  /// Calls, and takes the answer apart.
  func answer(_ name: String, _ json: String, page: String = "") throws -> [String: Any] {
    let reply = try call(name, json, page: page)
    #expect(reply.status == 200, "\(reply.text.prefix(400))")
    return try #require(try JSONSerialization.jsonObject(with: reply.body) as? [String: Any])
  }

  /// What a refused call says.
  func refusal(_ name: String, _ json: String) throws -> String {
    let reply = try call(name, json)
    let answer = try JSONSerialization.jsonObject(with: reply.body) as? [String: Any]
    return "\(reply.status) \(answer?["error"] as? String ?? "")"
      .replacingOccurrences(of: workspace.folder.path, with: "FOLDER")
  }

  /// The bytes of an answer's picture.
  func png(_ answer: [String: Any]) throws -> Data {
    let text = try #require(answer["png"] as? String)
    return try #require(Data(base64Encoded: text))
  }

  /// Runs the command line of an answer where the server runs, as a shell would.
  func run(_ command: String, output: String) throws {
    let folder = workspace.folder
    try FileManager.default.createDirectory(atPath: folder("bin"), withIntermediateDirectories: true)
    try? FileManager.default.createSymbolicLink(
      atPath: folder("bin/sdlens"), withDestinationPath: Command.program)
    let outcome = try shell("PATH=bin:$PATH; \(command) --quiet --output \(output)", in: folder)
    #expect(outcome.status == 0, "\(command)\n\(outcome.err)")
  }

  /// What such a command wrote.
  func file(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: workspace.folder(name)))
  }
}
