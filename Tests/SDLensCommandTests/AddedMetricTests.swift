import ArgumentParser
import Foundation
import SDLensCommands
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Synchronization
import Testing

/// A metric that somebody adds: all that it needs is said here, by public interfaces alone.
private enum DirectionLength: FeatureMetric {
  static let name = "length"
  static let abstract = "How long the directions of features are."
  static let columns = ["decoder", "encoder"]
  static let decimals = 3
  static let needs: Set<MetricNeed> = [.statistics]
  /// How many features were measured, and not read.
  static let measured = Mutex(0)

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws -> MetricOutcome
  {
    measured.withLock { $0 += 1 }
    guard let dictionary = session.dictionaries[block], (dictionary.statistics?.density[feature] ?? 0) > 0
    else {
      return MetricOutcome(skip: .dead)
    }
    let autoencoder = dictionary.autoencoder
    return MetricOutcome(values: [length(autoencoder.decoder, feature), length(autoencoder.encoder, feature)])
  }

  static func baselines(in run: MetricRun) throws {
    try run.baseline(self, "random") { random, _ in [Double(random.integer(below: 1000)) / 1000] }
  }

  private static func length(_ directions: Tensor, _ feature: Int) -> Double {
    directions.rows(feature..<feature + 1).elements.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }
}

/// What a metric of one file gets: command, table, plot and resume.
@Suite(.serialized) struct AddedMetricTests {
  private let workspace: TrainedWorkspace
  private var folder: TemporaryFolder { workspace.folder }

  init() throws { workspace = try TrainedWorkspace() }

  private func measure(_ arguments: [String]) throws {
    let store = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder("w/activations")).first)
    let command = try MetricCommand<DirectionLength>.parse(
      arguments + ["--model", Command.tinyModel, "--workspace", folder("w"), "--store", store, "--quiet"])
    try command.run()
  }

  private func result(_ name: String) throws -> String {
    let results = try FileManager.default.contentsOfDirectory(atPath: folder("w/results"))
    return folder("w/results/\(try #require(results.first))/\(name)")
  }

  @Test func aCommandWithItsHelp() {
    let help = MetricCommand<DirectionLength>.helpMessage(columns: 80)
    #expect(help.contains("OVERVIEW: How long the directions of features are."), "\(help)")
    #expect(help.contains("USAGE: length") && help.contains("--features <choice>"), "\(help)")
  }

  @Test func tablesAPlotAndResume() throws {
    let before = DirectionLength.measured.withLock { $0 }
    func measured() -> Int { DirectionLength.measured.withLock { $0 } - before }
    try measure(["--features", "all", "--block", "up.0.1"])
    #expect(measured() == 32)
    let values = try String(contentsOfFile: result("values.csv"), encoding: .utf8)
    #expect(values.hasPrefix("metric,subject,column,feature,value\nlength,up.0.1,decoder,0,"))
    let summary = try String(contentsOfFile: result("summary.csv"), encoding: .utf8)
    #expect(summary.split(separator: "\n").count == 4 && summary.contains("\nlength,random,decoder,0."))
    #expect(try PNG.read(result("length.png")).width > 0)
    let json = try Data(contentsOf: URL(fileURLWithPath: result("results.json")))
    let report = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    let columns = try #require(report["measurements"] as? [[String: Any]])
    #expect(columns.map { $0["n"] as? Int } == [32, 32, 100])
    // Again: nothing is measured anew.
    try measure(["--features", "all", "--block", "up.0.1"])
    #expect(measured() == 32)
    // Half of it is lost: that half is measured again, and all is as it was.
    let done = try result("done.jsonl")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: done))
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    try Data(lines.prefix(16).joined(separator: [UInt8(ascii: "\n")])).write(to: URL(fileURLWithPath: done))
    try measure(["--features", "all", "--block", "up.0.1"])
    #expect(measured() == 48)
    #expect(try String(contentsOfFile: result("values.csv"), encoding: .utf8) == values)
    #expect(try Data(contentsOf: URL(fileURLWithPath: result("results.json"))) == json)
  }

  @Test func withoutACommandToo() throws {
    struct Silent: MetricProgress {
      func stage(_ text: String) {}
      func count(to total: Int, unit: String) {}
      func advance(_ text: String, by pieces: Int) {}
      func note(_ text: String) {}
    }
    let (block, path) = (try BlockName("up.0.1"), folder("w/saes/up.0.1/k4-n32"))
    let dictionary = try DictionaryFolder(path)
    var settings = MetricSettings()
    settings.features = .list([3, 1])
    let session = try MetricSession(
      try ModelFolder(Command.tinyModel, environment: [:]), dictionaries: [block: dictionary], store: nil,
      recorded: dictionary.pictures, settings: settings, workspace: folder("w"), progress: Silent()
    ) { _ in }
    let results = try ResultFolder(DirectionLength.name, settings: session.key, in: folder("w"))
    let run = try MetricRun([DirectionLength.self], in: session, keeping: results("done.jsonl"))
    try run.run()
    let report = MetricReport(run)
    #expect(report.subjects(DirectionLength.self) == ["up.0.1", "random"])
    #expect(report.find(DirectionLength.self, "up.0.1", "encoder")?.features == [1, 3])
    #expect(report.sources.dictionaries.map(\.path) == [path] && report.sources.store?.pictures == 24)
    #expect(report.text.contains("Length, M (S)\nBlock"), "\(report.text)")
    // What a metric lacks is said.
    let specificity = Metrics.all.filter { $0.name == "specificity" }
    let other = try MetricRun(specificity, in: session, keeping: results("other.jsonl"))
    #expect(throws: NothingMeasured.self) { try other.run() }
    #expect(other.omissions.map(\.reason) == ["CLIP is missing; name its folder with --clip"])
  }
}
