import Foundation
import SDLensTestSupport
import Testing

/// The help texts, word for word, as in `Expected/`.
///
/// To renew them after a change: `SDLENS_RENEW=1 Scripts/test --filter HelpTests`, then read the difference.
@Suite struct HelpTests {
  static let pages = [
    "sdlens": ["--help"], "generate": ["generate", "--help"], "info": ["info", "--help"],
    "doctor": ["doctor", "--help"], "list": ["list", "--help"], "collect": ["collect", "--help"],
    "import": ["import", "--help"],
    "convert": ["convert", "--help"], "encode": ["encode", "--help"],
    "train-sae": ["train-sae", "--help"], "statistics": ["statistics", "--help"],
    "features": ["features", "--help"], "intervene": ["intervene", "--help"],
    "explore": ["explore", "--help"], "prompts": ["prompts", "--help"], "eval": ["eval", "--help"],
    "eval-truth": ["eval", "truth", "--help"],
    "eval-all": ["eval", "all", "--help"], "eval-specificity": ["eval", "specificity", "--help"],
    "eval-match": ["eval", "match", "--help"], "eval-ablation": ["eval", "ablation", "--help"],
    "eval-steering": ["eval", "steering", "--help"], "probe": ["probe", "--help"],
    "visualize": ["visualize", "--help"],
    "visualize-prompt": ["visualize", "prompt", "--help"],
    "visualize-feature": ["visualize", "feature", "--help"],
    "visualize-blocks": ["visualize", "blocks", "--help"],
    "visualize-reconstruction": ["visualize", "reconstruction", "--help"],
    "visualize-transfer": ["visualize", "transfer", "--help"],
    "visualize-paint": ["visualize", "paint", "--help"],
    "visualize-annotation": ["visualize", "annotation", "--help"],
    "visualize-training": ["visualize", "training", "--help"],
    "visualize-gallery": ["visualize", "gallery", "--help"],
  ]

  @Test(arguments: pages.keys.sorted()) func pageIsAsCommitted(name: String) throws {
    let found = try help(name, columns: 80)
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Expected/\(name).txt"
    if ProcessInfo.processInfo.environment["SDLENS_RENEW"] != nil {
      try found.write(toFile: path, atomically: true, encoding: .utf8)
    }
    #expect(try found == String(contentsOfFile: path, encoding: .utf8))
  }

  @Test(arguments: pages.keys.sorted(), [40, 60, 80]) func pageFitsTheTerminal(name: String, columns: Int)
    throws
  {
    for line in try help(name, columns: columns).split(separator: "\n") {
      // Two lines are ArgumentParser's own and not wrapped.
      if line.hasPrefix("USAGE") || line.hasPrefix("  See") { continue }
      // A single word cannot be wrapped.
      if !line.drop(while: { $0 == " " }).contains(" ") { continue }
      #expect(line.count <= columns, "\(line)")
    }
  }

  @Test func withoutCommandTheHelpIsPrinted() throws {
    let outcome = try Command.run([], in: TemporaryFolder())
    #expect(outcome.status == 0)
    #expect(try outcome.out == help("sdlens", columns: 80))
  }

  @Test func version() throws {
    let outcome = try Command.run(["--version"], in: TemporaryFolder())
    #expect(outcome.status == 0)
    #expect(outcome.out.wholeMatch(of: /sdlens \d+\.\d+\.\d+\n/) != nil)
  }

  private func help(_ name: String, columns: Int) throws -> String {
    let outcome = try Command.run(
      Self.pages[name] ?? [], in: TemporaryFolder(), environment: ["COLUMNS": "\(columns)"])
    #expect(outcome.status == 0)
    #expect(outcome.err == "")
    return outcome.out
  }
}
