import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensExplore
import SDLensSparse
import SDLensStudy

/// `sdlens explore`: a page to look, paint and compare.
struct Explore: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look into pictures and change them, in a browser on this machine.",
    discussion: """
      Prints an address and answers there until Ctrl-C. It listens on this machine's own addresses alone (127.0.0.1 \
      and [::1]), and answers nobody who lacks the random token in the address. Nothing is loaded from elsewhere.

      The page shows what a prompt activates in each block that has a dictionary, and what becomes of the picture \
      when features are changed; with every picture comes the command line that writes the same bytes. On another \
      machine: ssh -L 8642:127.0.0.1:8642 HOST, then open the address here.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Where it listens. (default: the first free port from 8642 on)", valueName: "n"))
  var port: Int?

  @Flag(help: "Open the page in the browser.")
  var open = false

  @Flag(help: "Change nothing on the disk: captions cannot be written.")
  var readOnly = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Transformer blocks. (default: those of the paper's four with dictionaries)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var sae: SAEOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "More models, to choose from on the page, each as --model takes it; of all, the one in use is in memory.",
      valueName: "folder|file|id"), completion: .file())
  var also: [String] = []

  @Option(
    help: ArgumentHelp(
      "Pictures while a slider moves are drafts of this AutoencoderTiny of diffusers, a folder or a Hugging Face id as "
        + "madebyollin/taesdxl; at rest the model's own decoder makes them.", valueName: "folder|id"),
    completion: .directory)
  var decoder: String?

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    if let port, !(0..<65536 ~= port) {
      throw ValidationError("port is \(port), but it must be from 0 (any that is free) to 65535")
    }
  }

  /// What is reported.
  struct Result: Encodable {
    let address: String
    let dictionaries: [String: DictionaryIdentity]
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let models = try [explored(progress)] + also.map { try explored(also: $0, progress) }
    let server = try ExploreServer(models, in: workspace.place, port: port)
    if report.json {
      try Output.print(
        json: Result(
          address: server.address,
          dictionaries: Dictionary(
            uniqueKeysWithValues: models[0].0.dictionaries.map { ("\($0)", $1.identity) })))
    } else {
      try Output.print(server.address)
    }
    progress.note("Open this address in a browser; Ctrl-C ends it")
    if open { show(server.address, progress) }
    server.serve()
  }

  /// The model at work, with what the page must know of it.
  ///
  /// - Parameter other: one of `--also`; what says more of the first model is not of it.
  private func explored(also other: String? = nil, _ progress: Progress) throws -> (
    Laboratory, Explorer.Setup
  ) {
    var (model, sae) = (model, sae)
    if let other {
      (model.model, model.base, model.vae, model.lora) = (other, nil, nil, [])
      (model.sampler, model.timesteps, model.eta) = (nil, [], nil)
      sae.sae = []
    }
    let folder = try model.folder(decoding: other == nil ? decoder : nil)
    var hint: String?
    var dictionaries: [BlockName: DictionaryFolder] = [:]
    do {
      dictionaries = try sae.dictionaries(named: block, model: folder, in: workspace, progress)
    } catch let none as NoDictionary where other != nil || (block.isEmpty && sae.sae.isEmpty) {
      hint =
        "There are no dictionaries of this model in '\(workspace.folder)'. Train them with: sdlens train-sae --block "
        + BlockName.studied.map(\.description).joined(separator: " ")
        + (other.map { " --model \($0)" } ?? "") + ", then start this page again."
      progress.note("\(none)")
    }
    let setup = Explorer.Setup(
      isReadOnly: readOnly,
      modelWords: other.map { ["--model", $0] + words(of: Self.computingOptions) }
        ?? words(of: Self.modelOptions),
      workspaceWords: words(of: ["--workspace"]), decoderWords: other == nil ? words(of: ["--decoder"]) : [],
      namesDictionaries: !sae.sae.isEmpty, hint: hint)
    return (Laboratory(folder, dictionaries: dictionaries, keepingRuns: Explorer.keptRuns), setup)
  }

  /// The options that say which model it is, and what computes it.
  private static let modelOptions: Set = [
    "--model", "--base", "--vae", "--lora", "--sampler", "--timesteps", "--eta", "--engine", "--precision",
  ]
  private static let computingOptions: Set = ["--engine", "--precision"]

  /// The words of this command that a command of the same model and workspace needs too.
  private func words(of options: Set<String>) -> [String] {
    var words: [String] = []
    var isTaken = false
    for word in CommandLine.arguments.dropFirst() {
      if word.hasPrefix("--") { isTaken = options.contains { word == $0 || word.hasPrefix($0 + "=") } }
      if isTaken { words.append(word) }
    }
    return words
  }

  /// Opens the page, where there is a display.
  private func show(_ address: String, _ progress: Progress) {
    let environment = ProcessInfo.processInfo.environment
    guard environment["DISPLAY"] != nil || environment["WAYLAND_DISPLAY"] != nil else {
      progress.note("There is no display here; open the address yourself")
      return
    }
    let browser = Process()
    browser.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    browser.arguments = ["xdg-open", address]
    browser.standardOutput = FileHandle.nullDevice
    browser.standardError = FileHandle.nullDevice
    do { try browser.run() } catch { progress.note("xdg-open cannot be started; open the address yourself") }
  }
}
