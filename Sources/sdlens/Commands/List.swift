import ArgumentParser
import SDLensCore
import SDLensStudy

/// `sdlens list`: what there is to work with.
struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the stores, dictionaries and results of a workspace.",
    discussion: """
      A star marks the dictionary of a block that commands take when none is named. Those that come with the embedded \
      model are taken where the workspace has none of its own.
      """)

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var report: ReportOptions

  func run() throws {
    let contents = try WorkspaceContents(workspace.place)
    try report.json ? Output.print(json: contents) : Output.print(Self.text(contents))
    if !contents.problems.isEmpty { throw ExitCode.failure }
  }

  /// The contents, within 80 columns where the names are short.
  static func text(_ contents: WorkspaceContents) -> String {
    var parts = [
      contents.isEmpty
        ? "'\(contents.folder)' holds no stores, dictionaries or results yet; make some with 'sdlens collect' or "
          + "'sdlens train-sae', or name another with --workspace"
        : contents.folder
    ]
    if !contents.stores.isEmpty {
      var table = Table(left: [0, 4], [["Store", "Pictures", "Vectors", "Bytes", "Blocks"]])
      for store in contents.stores {
        let missing = store.pictures < store.picturesPlanned ? " of \(store.picturesPlanned)" : ""
        table.add(
          store.name, "\(store.pictures)\(missing)", Units.grouped(store.vectors), Units.bytes(store.bytes),
          (store.site == "update" ? "" : "\(store.site) of ") + store.blocks.joined(separator: " "))
      }
      parts.append(table.text)
    }
    if !contents.dictionaries.isEmpty { parts.append(table(of: contents.dictionaries, "Dictionary")) }
    if !contents.embedded.isEmpty { parts.append(table(of: contents.embedded, "Embedded dictionary")) }
    if !contents.trainings.isEmpty {
      let lines = contents.trainings.map { "  \($0.block) \($0.dictionaries.joined(separator: ", "))" }
      parts.append("Trainings that the same train-sae goes on with\n" + lines.joined(separator: "\n"))
    }
    for (title, names) in [("Results", contents.results), ("Pictures", contents.pictures)]
    where !names.isEmpty {
      parts.append("\(title)\n" + names.map { "  \($0)" }.joined(separator: "\n"))
    }
    if !contents.problems.isEmpty {
      parts.append("Damaged\n" + contents.problems.map { "  \($0)" }.joined(separator: "\n"))
    }
    return parts.joined(separator: "\n\n")
  }

  private static func table(of dictionaries: [WorkspaceContents.Dictionary], _ title: String) -> String {
    var table = Table(
      left: [0, 1, 6], [["Block", title, "k", "Features", "Never active", "Captions", "Fingerprint"]])
    for dictionary in dictionaries {
      table.add(
        dictionary.block, dictionary.name + (dictionary.isDefault ? " *" : ""), dictionary.activity,
        "\(dictionary.features)",
        dictionary.neverActiveShare.map { "\(Units.rounded($0 * 100)) %" } ?? "–", "\(dictionary.captions)",
        dictionary.fingerprint)
    }
    return table.text
  }
}
