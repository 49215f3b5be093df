import Foundation
import SDLensTestSupport

/// A headless Chromium, driven over WebDriver (W3C): JSON over HTTP, through Debian's `chromedriver`.
final class WebDriver: @unchecked Sendable {
  private let driver = Process()
  private let folder: TemporaryFolder
  private let port: Int
  private let session: String

  /// Where the two programs are; nil where they are not installed.
  static let programs: (driver: String, browser: String)? = {
    func first(_ paths: [String]) -> String? { paths.first(where: FileManager.default.isExecutableFile) }
    guard let driver = first(["/usr/bin/chromedriver", "/usr/lib/chromium/chromedriver"]),
      let browser = first(["/usr/bin/chromium", "/usr/bin/google-chrome"])
    else {
      FileHandle.standardError.write(
        Data(
          "No Chromium here: the tests of the page in a browser are left out (chromium, chromium-driver)\n"
            .utf8))
      return nil
    }
    return (driver, browser)
  }()

  struct Problem: Error, CustomStringConvertible { let description: String }

  init(width: Int = 1280, height: Int = 1000) throws {
    guard let programs = Self.programs else { throw Problem(description: "no browser") }
    folder = try TemporaryFolder()
    driver.executableURL = URL(fileURLWithPath: programs.driver)
    driver.arguments = ["--port=0"]
    driver.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path, "TMPDIR": folder.path]
    let out = Pipe()
    driver.standardOutput = out
    driver.standardError = FileHandle.nullDevice
    driver.standardInput = FileHandle.nullDevice
    try driver.run()
    var said = ""
    while !said.contains(/on port (\d+)\./) {
      let more = out.fileHandleForReading.availableData
      guard !more.isEmpty else { throw Problem(description: "chromedriver did not start: \(said)") }
      said += String(decoding: more, as: UTF8.self)
    }
    // Until it ends. (Dispatch, behind a `readabilityHandler`, traps where the pipe is closed while it listens.)
    let rest = out.fileHandleForReading
    Thread.detachNewThread { while !rest.availableData.isEmpty {} }
    port = Int(said.firstMatch(of: /on port (\d+)\./)!.1)!
    let options: [String: Any] = [
      "binary": programs.browser,
      "args": [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--window-size=\(width),\(height)", "--user-data-dir=\(folder("profile"))",
      ],
    ]
    let answer = try Self.ask(
      port, "POST", "/session",
      ["capabilities": ["alwaysMatch": ["browserName": "chrome", "goog:chromeOptions": options]]])
    guard let id = (answer as? [String: Any])?["sessionId"] as? String else {
      throw Problem(description: "no session: \(answer)")
    }
    session = "/session/\(id)"
  }

  deinit {
    _ = try? Self.ask(port, "DELETE", session, nil)
    // It does not heed a gentler signal.
    kill(driver.processIdentifier, SIGKILL)
    driver.waitUntilExit()
  }

  private static func ask(_ port: Int, _ method: String, _ path: String, _ body: [String: Any]?) throws -> Any
  {
    let data = try body.map { try JSONSerialization.data(withJSONObject: $0) }
    let reply = try HTTPClient.ask(
      method, path, port: port, host: "localhost:\(port)", headers: ["Content-Type": "application/json"],
      body: data ?? (method == "POST" ? Data("{}".utf8) : nil))
    let answer = try JSONSerialization.jsonObject(with: reply.body) as? [String: Any]
    guard reply.status == 200, let value = answer?["value"] else {
      throw Problem(description: "\(method) \(path): \(reply.text.prefix(600))")
    }
    return value
  }

  @discardableResult private func ask(_ method: String, _ path: String, _ body: [String: Any]? = nil) throws
    -> Any
  {
    try Self.ask(port, method, session + path, body)
  }

  func open(_ address: String) throws { try ask("POST", "/url", ["url": address]) }
  func reload() throws { try ask("POST", "/refresh") }
  var address: String { get throws { try ask("GET", "/url") as? String ?? "" } }
  func resize(_ width: Int, _ height: Int) throws {
    try ask("POST", "/window/rect", ["width": width, "height": height])
  }

  /// Makes the page look as for people who like it dark, or light.
  func look(dark: Bool) throws {
    let feature = ["name": "prefers-color-scheme", "value": dark ? "dark" : "light"]
    try ask(
      "POST", "/goog/cdp/execute",
      ["cmd": "Emulation.setEmulatedMedia", "params": ["features": [feature]]])
  }

  /// Runs the body of a function in the page, and takes what it returns.
  @discardableResult func run(_ script: String, _ arguments: [Any] = []) throws -> Any {
    try ask("POST", "/execute/sync", ["script": script, "args": arguments])
  }
  func text(_ script: String) throws -> String { "\(try run("return \(script)"))" }

  /// Waits until an expression of the page is true.
  func wait(for expression: String, seconds: Double = 60) throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while Date() < end {
      if try run("return Boolean(\(expression))") as? Bool == true { return }
      usleep(30_000)
    }
    let page = try run("return document.body.innerText.slice(0, 800)")
    throw Problem(description: "never true: \(expression)\n\(page)")
  }

  private static let elementKey = "element-6066-11e4-a52e-4f735466cecf"
  private func element(_ selector: String) throws -> String {
    let found = try ask("POST", "/element", ["using": "css selector", "value": selector])
    guard let id = (found as? [String: String])?[Self.elementKey] else {
      throw Problem(description: "no element: \(found)")
    }
    return id
  }
  /// Clicks as a person does, who aims anew where the page has just put another element in its place.
  func click(_ selector: String) throws {
    for attempt in 0... {
      do {
        try ask("POST", "/element/\(element(selector))/click")
        return
      } catch let problem as Problem where attempt < 5 && problem.description.contains("stale element") {
        usleep(30_000)
      }
    }
  }
  func type(_ text: String, into selector: String) throws {
    let id = try element(selector)
    try ask("POST", "/element/\(id)/clear")
    try ask("POST", "/element/\(id)/value", ["text": text])
  }
  /// Gives a file to a file input, as a person who chooses it.
  func choose(_ path: String, for selector: String) throws {
    try ask("POST", "/element/\(element(selector))/value", ["text": path])
  }
  /// Presses keys with whatever has the keyboard.
  func press(_ keys: String...) throws {
    let actions =
      keys.map { ["type": "keyDown", "value": $0] } + keys.reversed().map { ["type": "keyUp", "value": $0] }
    try ask("POST", "/actions", ["actions": [["type": "key", "id": "keyboard", "actions": actions]]])
  }

  /// Goes with the pointer pressed through points of an element, each from 0 to 1.
  func drag(_ selector: String, _ points: [(x: Double, y: Double)]) throws {
    try run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", [selector])
    let box =
      try run(
        "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.x, box.y, box.width, box.height]",
        [selector]) as? [NSNumber] ?? []
    let numbers = box.map(\.doubleValue)
    func move(_ point: (x: Double, y: Double)) -> [String: Any] {
      [
        "type": "pointerMove", "duration": 20, "x": Int(numbers[0] + point.x * numbers[2]),
        "y": Int(numbers[1] + point.y * numbers[3]),
      ]
    }
    let actions: [[String: Any]] =
      [move(points[0]), ["type": "pointerDown", "button": 0]] + points.dropFirst().map(move)
      + [["type": "pointerUp", "button": 0]]
    try ask("POST", "/actions", ["actions": [["type": "pointer", "id": "mouse", "actions": actions]]])
  }

  /// Another tab, which then has the driver's attention; gives the one before.
  func newTab() throws -> String {
    let before = try ask("GET", "/window") as? String ?? ""
    let made = try ask("POST", "/window/new", ["type": "tab"]) as? [String: Any]
    try ask("POST", "/window", ["handle": made?["handle"] ?? ""])
    return before
  }
  func toTab(_ handle: String) throws { try ask("POST", "/window", ["handle": handle]) }

  /// The window as PNG.
  func screenshot() throws -> Data {
    Data(base64Encoded: try ask("GET", "/screenshot") as? String ?? "") ?? Data()
  }
}
