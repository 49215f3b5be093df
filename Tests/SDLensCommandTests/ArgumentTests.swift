import Foundation
import SDLensTestSupport
import Testing

/// Words of the command line that ArgumentParser alone would misread or not name.
@Suite struct ArgumentTests {
  struct Mistake: CustomTestStringConvertible {
    let arguments: [String]
    let message: String
    let usage: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ arguments: String..., says message: String, usage: String) {
      (self.arguments, self.message, self.usage) = (arguments, message, usage)
    }
  }

  private static let unknown = "There is no command 'sdlens "

  static let mistakes = [
    Mistake("generat", says: unknown + "generat'. Did you mean 'generate'?", usage: "sdlens"),
    Mistake(
      "nonsense", "--help", says: unknown + "nonsense'. There are: generate, prompts, ", usage: "sdlens"),
    Mistake("help", "nonsense", says: unknown + "nonsense'. There are: ", usage: "sdlens"),
    Mistake("colect", "-h", says: unknown + "colect'. Did you mean 'collect'?", usage: "sdlens"),
    Mistake(
      "help", "eval", "specificty", says: unknown + "eval specificty'. Did you mean 'specificity'?",
      usage: "sdlens eval"),
    Mistake(
      "visualize", "gallry", "--help", says: unknown + "visualize gallry'. Did you mean 'gallery'?",
      usage: "sdlens visualize"),
    Mistake(
      "generate", "--promt", "a", says: "Unknown option '--promt'. Did you mean '--prompt'?",
      usage: "sdlens generate"),
    Mistake(
      "encode", "--inptu", "x", "--output", "a.safetensors",
      says: "Unknown option '--inptu'. Did you mean '--input'?", usage: "sdlens encode"),
    Mistake("statistics", "--nonsense", says: "Unknown option '--nonsense'", usage: "sdlens statistics"),
    Mistake(
      "features", "--prompt", "--blok", "--blok", "mid.0",
      says: "Unknown option '--blok'. Did you mean '--block'?",
      usage: "sdlens features"),
  ]

  @Test(arguments: mistakes) func isNamed(_ mistake: Mistake) throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(mistake.arguments, in: folder)
    #expect(outcome.err.hasPrefix("Error: " + mistake.message), "\(outcome.err)")
    #expect(outcome.err.contains("\nUsage: \(mistake.usage) "), "\(outcome.err)")
    #expect(outcome.err.contains("\n  See '\(mistake.usage) --help' for more information.\n"))
    #expect(outcome.status == 64)
    #expect(outcome.out == "")
    #expect(try folder.contents == [])
  }

  @Test(arguments: [
    ["help"], ["help", "eval"], ["help", "eval", "specificity"], ["visualize", "blocks", "-h"], [],
    ["--version"],
  ])
  func helpIsStillThere(arguments: [String]) throws {
    let outcome = try Command.run(arguments, in: TemporaryFolder())
    #expect(outcome.status == 0)
    #expect(outcome.out.hasPrefix(arguments == ["--version"] ? "sdlens " : "OVERVIEW: "))
    #expect(outcome.err == "")
  }

  @Test(arguments: [
    ["collect", "--workspace", ""], ["collect", "--workspace="], ["collect", "--prompts", ""],
    ["collect", "--model", ""], ["collect", "--name", ""], ["visualize", "gallery", "--output", ""],
    ["generate", "--prompt", "x", "--output", ""], ["generate", "--prompt", "x", "--tensors", ""],
    ["intervene", "--ablate", "mid.0", "--output", ""], ["intervene", "--edit", ""],
    ["features", "--prompt", "x", "--sae", ""], ["features", "--prompt", "x", "--sae", "a", ""],
    ["train-sae", "--store", ""], ["statistics", "--store", "s", "--sae", ""], ["encode", "--input="],
    ["eval", "all", "--textures", ""], ["prompts", "--output", ""],
  ])
  func anEmptyPathIsNotTheRoot(arguments: [String]) throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(arguments, in: folder)
    let option = arguments.last { $0.hasPrefix("--") }!.replacingOccurrences(of: "=", with: "")
    #expect(outcome.err.hasPrefix("Error: \(option) is empty, but <"), "\(outcome.err)")
    #expect(outcome.status == 64)
    #expect(try folder.contents == [])
  }

  @Test(arguments: [
    ["info", ""], ["convert", "", "b", "--to", "saelens"], ["import", ""], ["eval", "match", "a", ""],
  ])
  func anEmptyArgumentIsNamed(arguments: [String]) throws {
    let outcome = try Command.run(arguments, in: TemporaryFolder())
    #expect(
      outcome.err.hasPrefix("Error: an argument is empty; give it, or leave it out\n"), "\(outcome.err)")
    #expect(outcome.status == 64)
  }

  @Test func anEmptyPromptIsOne() throws {
    let folder = try TemporaryFolder()
    for prompt in [["--prompt", ""], ["--prompt="]] {
      let outcome = try Command.run(
        ["generate"] + prompt + ["--quiet", "--model", Command.tinyModel, "--json"], in: folder)
      #expect(outcome.out.contains(#""prompt" : """#), "\(outcome.out)\(outcome.err)")
      #expect(outcome.err == "")
    }
  }

  @Test func anEmptyVariableIsAsUnset() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(
      ["collect", "--limit", "1", "--block", "mid.0", "--quiet"], in: folder,
      environment: ["SDLENS_WORKSPACE": "", "SDLENS_MODEL": ""])
    #expect(outcome.out == "sdlens-workspace/activations/shapes-update\n", "\(outcome.err)")
  }

  @Test(arguments: [
    #"generate --prompt x --output $'\xff.png'"#, #"collect --limit 1 --workspace $'w\xe4'"#,
    #"generate --prompt $'caf\xe9'"#,
  ])
  func whatIsNotUTF8IsRefused(words: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try shell("exec '\(Command.program)' \(words)", in: folder)
    #expect(outcome.err.hasPrefix("Error: the argument '"), "\(outcome.err)")
    #expect(outcome.err.contains("' is not UTF-8 text and would be changed; "))
    #expect(outcome.status == 1)
    #expect(try folder.contents == [])
  }

  @Test func aVariableThatIsNotUTF8IsRefused() throws {
    let folder = try TemporaryFolder()
    let outcome = try shell(
      #"SDLENS_WORKSPACE=$'w\xff' exec '\#(Command.program)' collect --limit 1"#, in: folder)
    #expect(outcome.err.hasPrefix("Error: SDLENS_WORKSPACE '"), "\(outcome.err)")
    #expect(outcome.status == 1)
    #expect(try folder.contents == [])
  }

  @Test func seedsGoToTheEndsThatTorchHas() throws {
    let folder = try TemporaryFolder()
    func noise(_ seed: String) throws -> Data {
      let outcome = try Command.generate("--seed", seed, "--json", "--output", "picture.png", in: folder)
      #expect(outcome.out.contains("\"seed\" : \(seed)\n"), "\(outcome.out)\(outcome.err)")
      return try Data(contentsOf: URL(fileURLWithPath: folder("picture.png")))
    }
    // Pictures differ in the text of their seed.
    #expect(try noise("18446744073709551615").count == noise("-1").count + 18)
    _ = try noise("-9223372036854775808")
    let several = try Command.generate("--seed", "18446744073709551614", "--count", "2", in: folder)
    #expect(several.out == "picture-18446744073709551614.png\npicture-18446744073709551615.png\n")
    for arguments in [
      ["collect", "--limit", "2", "--workspace", "w"],
      ["train-sae", "--stream", "--limit", "2", "--workspace", "w", "--steps", "2", "--batch", "16"],
      ["eval", "ablation", "--limit", "2", "--workspace", "w"],
    ] {
      let outcome = try Command.run(arguments + ["--seed", "18446744073709551615", "--quiet"], in: folder)
      #expect(
        outcome.err.hasPrefix("Error: seed is 18446744073709551615, but each of 2 pictures has a seed"),
        "\(outcome.err)")
      #expect(outcome.status == 1)
    }
  }

  @Test func largeSeedsAreWrittenToTheDigit() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(
      ["collect", "--limit", "2", "--block", "mid.0", "--seed", "18446744073709551614", "--quiet"], in: folder
    )
    #expect(outcome.status == 0, "\(outcome.err)")
    let manifest = try String(
      contentsOfFile: folder("sdlens-workspace/activations/shapes-update/manifest.json"), encoding: .utf8)
    #expect(manifest.contains(#""seed" : 18446744073709551614,"#))
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func shellsCompleteBlocksAndFiles(name: String) throws {
    let outcome = try Command.run(["--generate-completion-script", name], in: TemporaryFolder())
    #expect(outcome.status == 0)
    // For collect: --block, --prompts and --workspace, of which the last two come from groups of options.
    let wanted = [
      "bash": [
        "'--block')\n        __sdlens_add_completions -W 'down.1.0'",
        "-fX '!*.@(txt|jsonl|ndjson|json|csv|tsv|parquet)'",
        "'--workspace')\n        __sdlens_add_completions -d\n",
      ],
      "zsh": [
        "'down.2.1'", "_files -g '\\''*.txt *.jsonl *.ndjson *.json *.csv *.tsv *.parquet'\\''",
        "else sdlens-workspace)]:folder:_files -/'",
      ],
      "fish": [
        "-l 'block' -d 'Transformer blocks. (default: down.2.1 mid.0 up.0.0 up.0.1)' -rfka 'down.1.0 down.1.1 ",
        "'txt\\' \\'jsonl\\'", "-l 'workspace' -d 'Where activations, dictionaries and results lie. ",
      ],
    ]
    for text in wanted[name]! { #expect(outcome.out.contains(text), "\(text)") }
  }
}
