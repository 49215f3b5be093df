import Foundation
import SDLensTestSupport

/// What a program left behind.
struct Outcome: Equatable {
  let status: Int32
  let out: String
  let err: String
}

/// The `sdlens` that was built beside these tests.
enum Command {
  static let program: String = {
    // Swift Testing runs the tests inside a program of the build folder.
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appendingPathComponent("sdlens").path
  }()

  /// The small model with random weights, which makes pictures of 96 × 96 pixels.
  static let tinyModel = Goldens(beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path)
    .folder.replacingOccurrences(of: "Goldens", with: "SDLensDiffusionTests/Goldens/tiny")

  /// Runs `sdlens` in `folder`, with nothing in its environment but what is given and a home that is `folder`.
  static func run(
    _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:],
    program: String = program
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path].merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    // Files take any amount without a reader; they lie outside of the folder, whose content tests look at.
    let streams = try TemporaryFolder()
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: streams.write([], to: "out")))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: streams.write([], to: "err")))
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      try String(contentsOfFile: streams(name), encoding: .utf8).replacingOccurrences(
        of: folder.path, with: "FOLDER")
    }
    return Outcome(status: process.terminationStatus, out: try text("out"), err: try text("err"))
  }

  /// Runs `sdlens generate` with the small model, without progress.
  static func generate(
    _ arguments: String..., in folder: TemporaryFolder, environment: [String: String] = [:]
  ) throws -> Outcome {
    try run(
      ["generate", "--prompt", "a red house", "--quiet", "--model", tinyModel] + arguments, in: folder,
      environment: environment)
  }
}
