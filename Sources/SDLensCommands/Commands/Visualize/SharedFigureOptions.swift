import ArgumentParser
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// The options of every figure that is made by a model.
struct SharedFigureOptions: ParsableArguments {
  @OptionGroup var figure: FigureOptions
  @OptionGroup var force: ForceOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  /// Reads the model, and the dictionaries that `sae` means where one is needed.
  ///
  /// - Parameters:
  ///   - name: of the file, in the workspace.
  ///   - prompt: nil where the figure has several, or its own.
  func job(
    _ name: String, _ sae: SAEOptions?, at blocks: [BlockName] = [], prompt: String? = nil,
    _ progress: Progress
  ) throws -> FigureJob {
    let folder = try model.folder(decoder)
    let settings = try options.settings(of: folder, progress)
    let found = try sae?.dictionaries(named: blocks, model: folder, in: workspace, progress) ?? [:]
    let record = try RunRecord(
      of: folder, prompt: prompt, settings: settings, dictionaries: found, request: OutputPlace.request)
    let path = try FigureOptions.path(figure.output, name, workspace, force.force, record)
    var job = try FigureJob(
      Laboratory(folder, dictionaries: found), settings, colors: figure.colors, record: record, to: path,
      progress)
    job.cellWidth = figure.cell
    return job
  }

  /// Draws what `make` gives, and prints what it was.
  func draw(
    _ name: String, _ sae: SAEOptions? = nil, at blocks: [BlockName] = [], prompt: String? = nil,
    _ make: (FigureJob) throws -> Figure
  ) throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let job = try job(name, sae, at: blocks, prompt: prompt, progress)
    let found = try job.draw(make(job))
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }
}

extension NumberList {
  /// A list of given values.
  init(_ values: [Double]) { self.values = values }

  /// Refuses what no edit can have.
  func check(_ operation: (Double) -> Edit.Operation) throws {
    do {
      for value in values { _ = try EditList([Edit(operation(value), at: BlockName.studied[0])]) }
    } catch let problem as EditError {
      throw ValidationError(problem.description)
    }
  }
}
