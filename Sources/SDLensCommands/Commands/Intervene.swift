import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens intervene`: a picture with features switched, and the one without.
struct Intervene: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Change features of a block and see what becomes of the picture.",
    discussion: """
      Writes the picture before and after, their difference, where the feature is active, all side by side, and \
      the edits as edit.json, which --edit repeats. Without --prompt the picture is the recorded one in which the \
      feature was most active.

      The table says how much changed: the mean over pixels of |Δred| + |Δgreen| + |Δblue|, 0 to 765, in the \
      whole picture, where the feature is active (inside) and where it is not at all (outside).
      """)

  @OptionGroup(title: "Edits") var edits: EditOptions

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[0]

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What the picture shows. (default: where the feature was most active)", valueName: "text"))
  var prompt: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What the picture avoids, with --guidance above 1.", valueName: "text"))
  var negativePrompt: String?

  @Option(
    help: ArgumentHelp(
      "Where the files go. (default: a folder in the workspace's pictures)", valueName: "folder"),
    completion: .directory)
  var output: String?

  @OptionGroup var force: ForceOptions

  @OptionGroup var sae: SAEOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var sizes: SizeOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder(decoder)
    let saved = try edits.edit.map { try EditList(contentsOf: $0) }
    let needed = (saved?.edits ?? []).filter(\.needsDictionary).map(\.block)
    let blocks = Set(needed + (edits.feature.isEmpty && !edits.reconstruct ? [] : [block])).sorted()
    let dictionaries = try sae.dictionaries(
      of: blocks, model: folder, in: workspace, acrossSamplers: true, progress)
    try saved?.check(dictionaries, path: edits.edit ?? "")
    var settings = try options.settings(of: folder, progress)
    settings.sizes = try sizes.conditioning(of: folder)
    let prompt = try prompt ?? defaultPrompt(dictionaries[block], &settings, progress)
    let record = try RunRecord(
      of: folder, prompt: prompt, negativePrompt: negativePrompt, settings: settings,
      dictionaries: dictionaries, request: OutputPlace.request)
    let place = try OutputPlace(folder: output, default: defaultFolder, of: record, force: force.force)
    progress.noteUnknownWords(of: [prompt], folder)
    progress.stage("reading the model")
    let laboratory = Laboratory(folder, dictionaries: dictionaries)
    let added = try edits.maps.added(at: block, model: folder, in: workspace, progress)
    let area = try edits.area(at: block, of: prompt, negative: negativePrompt, settings, laboratory, progress)
    let lists = try edits.lists(saved?.edits ?? [], adding: added, at: block, on: area)
    let job = InterventionJob(
      laboratory, prompt, negative: negativePrompt, settings, lists: lists, record: record, to: place)
    let result = try job.run(progress)
    progress.clear()
    try report.json ? Output.print(json: result) : Output.print(result.text)
  }

  /// The prompt of the picture that --edit names, or of the recorded one in which the first feature was strongest, with that
  /// picture's seed.
  private func defaultPrompt(
    _ dictionary: DictionaryFolder?, _ settings: inout RunSettings, _ progress: Progress
  ) throws -> String {
    if edits.wantsEmptyPrompt { return "" }
    if let path = edits.edit, let made = try RunRecord.run(ofPicture: path) {
      settings.seed = made.seed
      progress.note("'\(path)' was made from \"\(made.prompt)\", seed \(made.seed)")
      return made.prompt
    }
    guard let feature = edits.feature.first, let dictionary else { throw PromptNeeded() }
    guard feature < dictionary.autoencoder.features, feature >= 0 else {
      // The check of the edits says it better.
      return ""
    }
    let (prompt, seed) = try dictionary.strongestRun(of: feature)
    settings.seed = seed
    progress.note("Feature \(feature) was most active in \"\(prompt)\", seed \(settings.seed)")
    return prompt
  }

  /// A name that tells the edits.
  private var defaultFolder: String {
    func words(_ name: String, _ lists: [NumberList]) -> [String] {
      zip(edits.feature, edits.perFeature(lists)).map { feature, list in
        "\(feature)-\(name)" + list.values.prefix(8).map { String(format: "%g", $0) }.joined(separator: ",")
      }
    }
    var parts =
      edits.feature.isEmpty && !edits.reconstruct && edits.maps.given.isEmpty ? [] : ["\(block)"]
    parts += edits.maps.words(edits.feature)
    if let times = edits.add.first, edits.maps.isAdded {
      parts.append("x" + times.values.prefix(8).map { String(format: "%g", $0) }.joined(separator: ","))
    }
    parts += words("beta", edits.beta) + words("add", edits.add) + words("gamma", edits.emptyContext)
    if edits.reconstruct { parts.append("reconstruct") }
    parts += edits.ablate.map { "ablate-\($0)" }
    if let edit = edits.edit {
      parts.append(
        edit.hasPrefix("{")
          ? "edit" : ((edit as NSString).lastPathComponent as NSString).deletingPathExtension)
    }
    if let region = edits.region { parts.append(region) }
    return "\(workspace.place.pictures)/" + parts.joined(separator: "-")
  }
}

/// No prompt, and no feature that would name one.
struct PromptNeeded: UserError {
  var description: String { "a prompt is needed, since no feature tells one; give it with --prompt" }
}
