import Foundation
import SDLensCore
import SDLensDiffusion

/// Where a measurement lies in the workspace: `results/<metric>-<number>`.
///
/// The number stands for what the results depend on, so that the same measurement has the same folder.
public struct ResultFolder {
  /// Where it lies.
  public let path: String
  private let begin = Date()
  private let clock = ContinuousClock.now

  /// Makes the folder of a metric for some settings.
  ///
  /// - Parameter room: the folder of the workspace that it lies in.
  /// - Throws: `FileError` when it cannot be made.
  public init(
    _ metric: String, settings: [String: String], in workspace: String, room: String = "results"
  ) throws {
    var fingerprint = Fingerprint()
    for setting in settings.sorted(by: { $0.key < $1.key }).map({ "\($0.key) \($0.value)" }) {
      fingerprint.add("\(setting.utf8.count) \(setting)\n".utf8)
    }
    path = "\(workspace)/\(room)/\(metric)-\(fingerprint.description.prefix(8))"
    try AtomicFolder.makeAll(path)
  }

  /// The path of a file in it.
  public func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes rows of values as comma-separated values (RFC 4180), the first of them the names of the columns.
  public func write(_ rows: [[String]], to name: String) throws {
    let text = rows.map { row in
      row.map { cell in
        cell.contains { ",\"\n\r".contains($0) }
          ? "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : cell
      }.joined(separator: ",") + "\n"
    }.joined()
    try AtomicFile.write(to: self(name)) { try $0.append(Array(text.utf8)) }
  }

  /// How a measurement was made.
  private struct Run: Encodable {
    let command: [String]
    let model: String
    let modelFingerprint: String
    let settings: [String: String]
    let version: String
    let begun: String
    let seconds: Double
    let threads: Int
  }

  /// Writes `run.json`: how the results were made, since the folder was opened.
  public func writeRun(_ command: [String], _ model: ModelFolder, _ settings: [String: String]) throws {
    let run = Run(
      command: command, model: model.title, modelFingerprint: try model.fingerprint().description,
      settings: settings, version: Version.current, begun: ISO8601DateFormatter().string(from: begin),
      seconds: (ContinuousClock.now - clock) / .seconds(1), threads: Parallel.threads)
    try JSON.write(run, to: self("run.json"))
  }
}
