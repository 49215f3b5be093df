import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// Which prompts are recorded.
struct PromptListOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Prompts: .txt (one a line), .jsonl, .csv, .tsv or .parquet, or through a pipe or - (standard input). "
        + "(default: the model's own)", valueName: "file"),
    completion: .file(extensions: ["txt", "jsonl", "ndjson", "json", "csv", "tsv", "parquet"]))
  var prompts: String?

  @Option(
    help: ArgumentHelp(
      "The column of a table, or key of a .jsonl, that has the prompts. (default: caption, top_caption, prompt or "
        + "text, in any letter case)", valueName: "name"))
  var column: String?

  func validate() throws {
    if column != nil && prompts == nil {
      throw ValidationError("--column names a column of a file; give the file with --prompts")
    }
  }

  /// Reads the list; a pipe gives it only once.
  ///
  /// - Throws: as `PromptList`.
  func list(of model: ModelFolder, limit: Int?, _ progress: Progress) throws -> PromptList {
    guard let prompts else { return try PromptList(of: model, limit: limit) }
    let list = try PromptList(contentsOf: prompts, column: column, limit: limit)
    progress.notes(list.notes)
    progress.noteUnknownWords(of: list.prompts, model)
    return list
  }
}
