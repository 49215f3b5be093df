import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Where a measurement lies in the workspace: `results/<metric>-<number>`.
///
/// The number stands for what the results depend on, so that the same measurement has the same folder.
struct ResultFolder {
  let path: String
  private let watch = Stopwatch()
  private let begin = Date()

  /// Makes the folder of a metric for some settings.
  init(_ metric: String, settings: [String: String], in workspace: WorkspaceOptions) throws {
    var fingerprint = Fingerprint()
    for setting in settings.sorted(by: { $0.key < $1.key }).map({ "\($0.key) \($0.value)" }) {
      fingerprint.add("\(setting.utf8.count) \(setting)\n".utf8)
    }
    path = "\(workspace.folder)/results/\(metric)-\(fingerprint.description.prefix(8))"
    try AtomicFolder.makeAll(path)
  }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes rows of values as comma-separated values (RFC 4180), the first of them the names of the columns.
  func write(_ rows: [[String]], to name: String) throws {
    let text = rows.map { row in
      row.map { cell in
        cell.contains { ",\"\n\r".contains($0) }
          ? "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : cell
      }.joined(separator: ",") + "\n"
    }.joined()
    try AtomicFile.write(to: self(name)) { try $0.append(Array(text.utf8)) }
  }

  /// How a measurement was made.
  struct Run: Encodable {
    let command: [String]
    let model: String
    let modelFingerprint: String
    let settings: [String: String]
    let version: String
    let begun: String
    let seconds: Double
    let threads: Int
  }

  /// Writes `run.json`: how the results were made.
  func writeRun(_ model: ModelFolder, _ settings: [String: String]) throws {
    let run = Run(
      command: CommandLine.arguments, model: model.title,
      modelFingerprint: try model.fingerprint().description,
      settings: settings, version: Version.current, begun: ISO8601DateFormatter().string(from: begin),
      seconds: watch.total / .seconds(1), threads: Parallel.threads)
    try JSON.write(run, to: self("run.json"))
  }
}
