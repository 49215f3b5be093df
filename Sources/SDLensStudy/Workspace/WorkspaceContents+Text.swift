import SDLensCore
import SDLensSparse

extension WorkspaceContents {
  /// The contents, within 80 columns where the names are short.
  public var text: String {
    var parts = [
      isEmpty
        ? "'\(folder)' holds no stores, dictionaries or results yet; make some with 'sdlens collect' or "
          + "'sdlens train-sae', or name another with --workspace"
        : folder
    ]
    if !stores.isEmpty {
      var table = Table(left: [0, 4], [["Store", "Pictures", "Vectors", "Bytes", "Blocks"]])
      for store in stores {
        let missing = store.pictures < store.picturesPlanned ? " of \(store.picturesPlanned)" : ""
        table.add(
          store.name, "\(store.pictures)\(missing)", Units.grouped(store.vectors), Units.bytes(store.bytes),
          (store.site == "update" ? "" : "\(store.site) of ") + store.blocks.joined(separator: " ")
            + (store.steps == 1 ? "" : ", \(VectorSteps(store.atSteps, of: store.steps))"))
      }
      parts.append(table.text)
    }
    if !dictionaries.isEmpty { parts.append(table(of: dictionaries, "Dictionary")) }
    if !embedded.isEmpty { parts.append(table(of: embedded, "Embedded dictionary")) }
    if !trainings.isEmpty {
      let lines = trainings.map { "  \($0.block) \($0.dictionaries.joined(separator: ", "))" }
      parts.append("Trainings that the same train-sae goes on with\n" + lines.joined(separator: "\n"))
    }
    for (title, names) in [("Results", results), ("Pictures", pictures)]
    where !names.isEmpty {
      parts.append("\(title)\n" + names.map { "  \($0)" }.joined(separator: "\n"))
    }
    if !problems.isEmpty {
      parts.append("Damaged\n" + problems.map { "  \($0)" }.joined(separator: "\n"))
    }
    return parts.joined(separator: "\n\n")
  }

  private func table(of dictionaries: [Dictionary], _ title: String) -> String {
    var table = Table(
      left: [0, 1, 6], [["Block", title, "k", "Features", "Never active", "Captions", "Fingerprint"]])
    for dictionary in dictionaries {
      table.add(
        dictionary.block, dictionary.name + (dictionary.isDefault == true ? " *" : ""), dictionary.activity,
        "\(dictionary.features)",
        Cells.percent(dictionary.neverActiveShare), "\(dictionary.captions)",
        dictionary.fingerprint)
    }
    return table.text
  }
}

extension WorkspaceContents.Dictionary {
  /// How many features are active in a vector, for tables: k, or a mean number; a dash where nobody knows.
  var activity: String {
    k.map { "\($0)" } ?? l0.map { "\(Units.rounded($0)) on average" } ?? Cells.none
  }
}
