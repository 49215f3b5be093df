import Foundation
import SDLensTestSupport

/// A folder with a workspace, `w`, in which the small model has dictionaries of down.2.1 and up.0.1.
struct TrainedWorkspace {
  let folder: TemporaryFolder

  // Trained once, copied for every test.
  private static let made: Result<TemporaryFolder, any Error> = Result {
    let folder = try TemporaryFolder()
    let prompts = (0..<24).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
    let outcome = try Command.run(
      [
        "train-sae", "--model", Command.tinyModel, "--workspace", "w", "--prompts", "prompts.txt", "--block",
        "down.2.1", "up.0.1", "--features", "32", "--k", "4", "--steps", "60", "--batch", "64", "--quiet",
      ], in: folder)
    guard outcome.status == 0 else { throw TrainingFailed(message: outcome.err) }
    return folder
  }

  private struct TrainingFailed: Error { let message: String }

  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.made.get()("w"), toPath: folder("w"))
  }

  /// Runs a command on it.
  func run(_ command: String, _ arguments: [String]) throws -> Outcome {
    try Command.run(
      [command, "--model", Command.tinyModel, "--workspace", "w"] + arguments, in: folder)
  }

  /// Trains a second, smaller dictionary of up.0.1, which is then the one that is taken.
  func trainAnother() throws {
    let outcome = try run(
      "train-sae",
      [
        "--block", "up.0.1", "--features", "16", "--k", "2", "--steps", "40", "--batch", "64", "--quiet",
      ])
    guard outcome.status == 0 else { throw TrainingFailed(message: outcome.err) }
  }
}
