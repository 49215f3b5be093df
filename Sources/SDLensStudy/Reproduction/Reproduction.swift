import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensSparse

/// The whole paper for a model: its parts are done in order, those that are done already passed over, and a report
/// says claim by claim what holds.
public final class Reproduction {
  /// The model.
  public let model: ModelFolder
  /// Where stores, dictionaries and measurements lie.
  public let workspace: Workspace
  /// What decides the report.
  public let settings: ReproductionSettings
  /// Where the report goes.
  public let folder: String
  /// Who is told how far it is.
  public let progress: any MetricProgress
  /// Told what is wrong with files that are passed over.
  let say: @Sendable (String) -> Void
  private var records: [String: Record] = [:]
  private let modelFingerprint: String
  private var openDictionaries: [BlockName: DictionaryFolder]?

  /// What is kept of a part that is done.
  private struct Record: Codable {
    let inputs: [Fact]
    let findings: PartFindings
    /// Of both and of the pictures; reports that were begun before it was thought of have none.
    let check: String?
  }

  /// Prepares a report; nothing is computed or written yet.
  ///
  /// - Throws: what is wrong with the model.
  public init(
    _ model: ModelFolder, _ settings: ReproductionSettings, in workspace: Workspace, to folder: String,
    progress: any MetricProgress, say: @escaping @Sendable (String) -> Void
  ) throws {
    (self.model, self.settings, self.workspace) = (model, settings, workspace)
    (self.folder, self.progress, self.say) = (folder, progress, say)
    modelFingerprint = try model.fingerprint().description
  }

  // MARK: What parts ask for

  /// Whether the truth of its pictures is known.
  public var isShapes: Bool { model.title == ModelFolder.embedded }

  /// What the part found, which must be among the `needs` of the one that asks.
  func findings(_ part: String) -> PartFindings {
    guard let record = records[part] else { preconditionFailure("\(part) is not among the needs") }
    return record.findings
  }

  /// The path of a picture of the report.
  func figure(_ name: String) -> String { "\(folder)/figures/\(name)" }

  /// A path in the workspace, without it: a workspace may be moved.
  func inWorkspace(_ path: String) -> String {
    path.hasPrefix(workspace.folder + "/") ? String(path.dropFirst(workspace.folder.count + 1)) : path
  }

  /// The path of what a part made in the workspace.
  func path(_ product: String, in findings: PartFindings) -> String? {
    findings.product(product).map { "\(workspace.folder)/\($0)" }
  }

  /// The settings of a run of the model at its own size.
  func runSettings() throws -> RunSettings {
    let size = try model.pictureSize
    return try RunSettings(seed: settings.seed, height: size, width: size)
  }

  /// The prompts that are recorded.
  ///
  /// - Throws: as `PromptList`.
  func prompts() throws -> PromptList { try settings.prompts ?? PromptList(of: model, limit: settings.limit) }

  /// The store of the recorded prompts.
  func store() throws -> ActivationStore { try ActivationStore(path("store", in: findings("record")) ?? "") }

  /// The dictionary of each block that is measured and drawn.
  func dictionaries() throws -> [BlockName: DictionaryFolder] {
    if let openDictionaries { return openDictionaries }
    let findings = findings("train")
    let found = try BlockName.studied.compactMap { block in
      try path("\(block)", in: findings).map { (block, try DictionaryFolder($0)) }
    }
    openDictionaries = Dictionary(uniqueKeysWithValues: found)
    return Dictionary(uniqueKeysWithValues: found)
  }

  /// What is said of features, which may be laid beside a dictionary at any time.
  func captions() throws -> Fact {
    var fingerprint = Fingerprint()
    for (block, folder) in try dictionaries().sorted(by: { $0.key < $1.key }) {
      for (feature, caption) in folder.captions.sorted(by: { $0.key < $1.key }) {
        fingerprint.add("\(block) \(feature) \(caption)\n".utf8)
      }
    }
    return Fact("captions", fingerprint.description)
  }

  /// The folder of what compares pictures and texts; nil where there is none.
  func clipFolder() throws -> String? {
    let own = "\(model.path)/clip"
    return try settings.clip.map { try PerceptionModel.clip.folder($0) }
      ?? (FileManager.default.fileExists(atPath: own) ? own : nil)
  }

  /// What a picture takes on disk, about: of `shapes` measured, else half of what its pixels would.
  var pictureBytes: Int {
    get throws { try isShapes ? 26_000 : model.pictureSize * model.pictureSize * 3 / 2 }
  }

  /// What draws figures.
  func renderer() throws -> FigureRenderer {
    let renderer = try FigureRenderer(Laboratory(model, dictionaries: dictionaries()))
    renderer.advance = { [progress] in progress.advance("drawing", by: 1) }
    return renderer
  }

  // MARK: Parts that are done

  private func path(of part: String) -> String { "\(folder)/parts/\(part).json" }

  /// All that decides the results of a part.
  private func inputs(of part: any ReproductionPart) throws -> [Fact] {
    let needs = try part.needs.map { need in
      var fingerprint = Fingerprint()
      if let record = records[need] { fingerprint.add(try JSON.line(record.findings)) }
      return Fact("part \(need)", fingerprint.description)
    }
    let engine = model.otherEngine.map { [Fact("engine", $0)] } ?? []
    return [Fact("version", Version.current), Fact("model", modelFingerprint)] + engine + needs
      + (try part.inputs(of: self))
  }

  /// The record of a part that is done with these inputs, and of which all is still there as it was.
  private func record(of part: any ReproductionPart, _ inputs: [Fact]) -> Record? {
    guard let record = try? JSON.read(Record.self, from: path(of: part.name)), record.inputs == inputs,
      let check = try? check(inputs, record.findings), check == record.check ?? check,
      part.isThere(record.findings, in: self)
    else { return nil }
    return record
  }

  /// The fingerprint of a part's inputs, of what it found, and of its pictures, all of which must be there.
  private func check(_ inputs: [Fact], _ findings: PartFindings) throws -> String {
    var fingerprint = Fingerprint()
    fingerprint.add(try JSON.line(inputs) + JSON.line(findings))
    for exhibit in findings.exhibits {
      try MappedFile(path: figure(exhibit.file)).withBytes { fingerprint.add($0) }
    }
    return fingerprint.description
  }

  /// What is known of a part after a run.
  public enum State: String, Codable, Sendable {
    /// It is in the report.
    case done
    /// Nobody asked for it.
    case notAsked = "not asked for"
    /// Something lacks.
    case impossible = "not possible"
  }

  /// A part, for the report.
  public struct PartState: Codable, Sendable, Equatable {
    /// Its word.
    public let name: String
    /// What it does.
    public let title: String
    /// What is known of it.
    public let state: State
    /// What lacks, or what it says of itself.
    public let notes: [String]

    /// Says what is known of a part.
    public init(name: String, title: String, state: State, notes: [String] = []) {
      (self.name, self.title, self.state, self.notes) = (name, title, state, notes)
    }
  }

  /// Goes through the parts, and says of each what is known; `work` is called for those to be done.
  private func forEachPart(_ chosen: Set<String>, _ work: (any ReproductionPart, [Fact]) throws -> Void)
    throws
    -> [PartState]
  {
    records = [:]
    return try ReproductionParts.all.map { part -> PartState in
      func state(_ state: State, _ notes: [String] = []) -> PartState {
        PartState(name: part.name, title: part.title, state: state, notes: notes)
      }
      if let reason = try part.obstacle(in: self) { return state(.impossible, [reason]) }
      if let missing = part.needs.first(where: { records[$0] == nil }) {
        return state(
          chosen.contains(part.name) ? .impossible : .notAsked,
          ["it takes the results of the part '\(missing)'"])
      }
      let inputs = try inputs(of: part)
      records[part.name] = record(of: part, inputs)
      if records[part.name] == nil, chosen.contains(part.name) { try work(part, inputs) }
      return state(records[part.name] == nil ? .notAsked : .done, records[part.name]?.findings.notes ?? [])
    }
  }

  // MARK: Doing them

  /// Does what is missing of the chosen parts, and of those that they need, and writes the report on all that is done.
  ///
  /// - Parameters:
  ///   - names: parts; all where none is named.
  ///   - command: how it is asked for, to be kept in `run.json`.
  /// - Throws: `UnknownPart`, `FileError`, `PartNotKept`, and what the parts throw.
  public func run(only names: [String] = [], command: [String] = []) throws -> ReproductionReport {
    let chosen = try ReproductionParts.selected(names)
    let states = try forEachPart(chosen) { part, inputs in
      progress.note("\(part.name): \(part.title)")
      let watch = Stopwatch()
      let findings = try part.run(in: self)
      // It may have made some, or said what their features mean.
      openDictionaries = nil
      try JSON.write(
        Record(inputs: inputs, findings: findings, check: check(inputs, findings)), to: path(of: part.name))
      // As it is read again, so that both ways give the same digits.
      records[part.name] = self.record(of: part, inputs)
      guard records[part.name] != nil else {
        throw PartNotKept(part: part.name, workspace: workspace.folder)
      }
      try keep(part.name, watch.total / .seconds(1), command)
      progress.note("\(part.name): done in \(Units.time(watch.total))")
    }
    return try write(states)
  }

  /// Writes the report on what is done.
  private func write(_ states: [PartState]) throws -> ReproductionReport {
    let findings = ReproductionParts.all.compactMap { records[$0.name]?.findings }
    let report = ReproductionReport(
      model: model.title, modelFingerprint: modelFingerprint, isShapes: isShapes, settings: settings.facts,
      parts: states, findings: findings)
    try JSON.write(report, to: "\(folder)/\(ReproductionReport.fileName)")
    let page = Array(try ReportPage(report, figures: "\(folder)/figures").html.utf8)
    try AtomicFile.write(to: "\(folder)/\(ReportPage.fileName)", byteCount: page.count) {
      try $0.append(page)
    }
    return report
  }

  /// How long parts took, where nothing else tells times.
  private struct Run: Codable {
    struct Part: Codable {
      let name: String
      let seconds: Double
      let threads: Int
    }
    var version = Version.current
    var command: [String]
    var parts: [Part] = []
  }

  private func keep(_ part: String, _ seconds: Double, _ command: [String]) throws {
    let path = "\(folder)/run.json"
    var run = (try? JSON.read(Run.self, from: path)) ?? Run(command: command)
    (run.version, run.command) = (Version.current, command)
    run.parts.removeAll { $0.name == part }
    run.parts.append(Run.Part(name: part, seconds: seconds, threads: Parallel.threads))
    try JSON.write(run, to: path)
  }

  /// What a folder is the report of.
  private struct Subject: Codable {
    let model: String
    let modelFingerprint: String
    let settings: [Fact]
  }

  /// Makes the folder, or checks that the one there is of the same report.
  ///
  /// - Parameter replacing: whether it may have been begun with other settings; parts that these do not concern stay.
  /// - Throws: `OtherReport`, `FolderInUse`, `FileError`.
  public func open(replacing: Bool = false) throws {
    let file = "\(folder)/reproduction.json"
    let subject = Subject(model: model.title, modelFingerprint: modelFingerprint, settings: settings.facts)
    if !FileManager.default.fileExists(atPath: file) {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      guard names.allSatisfy(AtomicFile.isUnfinished) else {
        throw FolderInUse(path: folder, file: "reproduction.json")
      }
    } else if !replacing {
      let found = try JSON.read(
        Subject.self, from: file, advice: "--force writes it again, and what is done of these settings stays")
      try check("model", "\(found.model) \(found.modelFingerprint)", "\(subject.model) \(modelFingerprint)")
      for name in Set((found.settings + subject.settings).map(\.name)).sorted() {
        func value(_ facts: [Fact]) -> String { facts.first { $0.name == name }?.value ?? "none" }
        try check(name, value(found.settings), value(subject.settings))
      }
    }
    try AtomicFolder.makeAll("\(folder)/parts")
    try AtomicFolder.makeAll("\(folder)/figures")
    try JSON.write(subject, to: file)
  }

  private func check(_ setting: String, _ found: String, _ now: String) throws {
    guard found == now else { throw OtherReport(folder: folder, setting: setting, found: found, now: now) }
  }

  // MARK: Before

  /// What the chosen parts that are not done yet will take.
  ///
  /// - Throws: `UnknownPart`, and what is wrong with the model and its prompts.
  public func estimate(only names: [String] = []) throws -> ReproductionEstimate {
    let chosen = try ReproductionParts.selected(names)
    var work: [(part: String, work: Work)] = []
    var done: Set<String> = []
    records = [:]
    for part in ReproductionParts.all where chosen.contains(part.name) {
      guard try part.obstacle(in: self) == nil else { continue }
      // A part behind one that will be done is done, too.
      if part.needs.allSatisfy(done.contains), let found = record(of: part, try inputs(of: part)) {
        records[part.name] = found
        done.insert(part.name)
      } else {
        work.append((part.name, try part.work(in: self)))
      }
    }
    return try ReproductionEstimate(of: work, for: self)
  }
}

/// A part that was done, and whose results are not there as it left them.
public struct PartNotKept: UserError {
  let part: String
  let workspace: String
  /// The part, and how to find what is wrong.
  public var description: String {
    "the part '\(part)' was done, but what it made is not as it should be; the report stays as it was. What is damaged is "
      + "told by: sdlens info '\(workspace)'"
  }
}

/// A folder with the report of something else.
public struct OtherReport: UserError {
  let folder: String
  let setting: String
  let found: String
  let now: String
  /// The folder, what differs, and what to do.
  public var description: String {
    "'\(folder)' is the report of another \(setting): \(found), but it is \(now) now; name another folder with --output, "
      + "or go on with the new one there with --force"
  }
}
