import SDLensTestSupport
import Testing

/// What a user may type and may not mean: one line that says what is wrong, the usage, and exit code 64.
@Suite struct UsageTests {
  struct Refusal: CustomTestStringConvertible {
    let arguments: [String]
    let message: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ arguments: String..., says message: String) {
      self.arguments = arguments
      self.message = message
    }
  }

  private static let seeds =
    "is invalid for '--seed <n>': it must be a whole number from -9223372036854775808 to 18446744073709551615"

  static let refusals = [
    Refusal("--size", "100", says: "height is 100, but it must be a multiple of 8 from 8 to 4096"),
    Refusal("--size", "0", says: "height is 0, but it must be a multiple of 8 from 8 to 4096"),
    Refusal("--size", "-8", says: "height is -8, but it must be a multiple of 8 from 8 to 4096"),
    Refusal("--size", "8192", says: "height is 8192, but it must be a multiple of 8 from 8 to 4096"),
    Refusal(
      "--width", "60", "--height", "64", says: "width is 60, but it must be a multiple of 8 from 8 to 4096"),
    Refusal("--width", "64", says: "--width and --height need each other; for a square, give --size"),
    Refusal(
      "--size", "64", "--width", "64", "--height", "64",
      says: "--size stands for --width and --height; give it, or both of them"),
    Refusal("--steps", "0", says: "steps is 0, but it must be at least 1"),
    Refusal("--steps", "-1", says: "steps is -1, but it must be at least 1"),
    Refusal("--guidance", "-1", says: "guidance is -1.0, but it must be from 0 to 1000 (above 1 it acts)"),
    Refusal("--guidance", "nan", says: "guidance is nan, but it must be from 0 to 1000 (above 1 it acts)"),
    Refusal("--guidance", "inf", says: "guidance is inf, but it must be from 0 to 1000 (above 1 it acts)"),
    Refusal("--count", "0", says: "count is 0, but it must be from 1 to 1000000"),
    Refusal("--threads", "0", says: "threads is 0, but it must be from 1 to 1024"),
    Refusal(
      "--seed", "18446744073709551615", "--count", "2",
      says:
        "seed is 18446744073709551615, but each of 2 pictures has a seed of its own from there on, and the last "
        + "seed is 18446744073709551615; choose one of at most 18446744073709551614"),
    Refusal("--seed", "18446744073709551616", says: "The value '18446744073709551616' \(seeds)"),
    Refusal("--seed", "-9223372036854775809", says: "The value '-9223372036854775809' \(seeds)"),
    Refusal("--output", "picture.jpg", says: "--output is 'picture.jpg', but it must end in .png"),
    Refusal("--tensors", "run.pt", says: "--tensors is 'run.pt', but it must end in .safetensors"),
    Refusal("--cache", "mid.0", says: "--cache says what --tensors keeps; give a file with --tensors"),
    Refusal("--seed", "1.5", says: "The value '1.5' \(seeds)"),
    Refusal(
      "--engine", "mkl",
      says:
        "The value 'mkl' is invalid for '--engine <engine>'. Please provide one of 'auto', 'sdlens' or 'openblas'."
    ),
    Refusal("--sede", "1", says: "Unknown option '--sede'. Did you mean '--seed'?"),
  ]

  @Test(arguments: refusals) func isRefused(_ refusal: Refusal) throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(["generate", "--prompt", "x"] + refusal.arguments, in: folder)
    #expect(outcome.err.split(separator: "\n").first ?? "" == "Error: " + refusal.message)
    #expect(outcome.err.contains("Usage: sdlens generate"))
    #expect(outcome.status == 64)
    #expect(outcome.out == "")
    #expect(try folder.contents == [])
  }

  @Test(arguments: ["--ablate", "--cache"]) func anUnknownBlockListsAll(option: String) throws {
    let outcome = try Command.run(["generate", "--prompt", "x", option, "down.3.0"], in: TemporaryFolder())
    #expect(outcome.err.hasPrefix("Error: The value 'down.3.0' is invalid for '\(option) <block>'."))
    for block in [
      "down.1.0", "down.1.1", "down.2.0", "down.2.1", "mid.0", "up.0.0", "up.0.1", "up.0.2", "up.1.0",
      "up.1.1",
      "up.1.2",
    ] {
      #expect(outcome.err.contains(block))
    }
    #expect(outcome.status == 64)
  }

  @Test func aPromptIsNeeded() throws {
    let outcome = try Command.run(["generate"], in: TemporaryFolder())
    #expect(outcome.err.hasPrefix("Error: Missing expected argument '--prompt <text>'\n"))
    #expect(outcome.status == 64)
  }

}
