import Foundation
import SDLensTestSupport
import Testing

/// The captions of the embedded model, and what is said of prompts that it does not understand.
@Suite struct PromptTests {
  private func generate(_ arguments: String..., model: String? = nil) throws -> Outcome {
    let chosen = model.map { ["--model", $0] } ?? []
    return try Command.run(["generate"] + chosen + arguments, in: TemporaryFolder())
  }

  @Test func wordsThatTheEmbeddedModelDoesNotKnowAreNamed() throws {
    let outcome = try generate("--prompt", "A red Dragon on a grey background, 🏠")
    #expect(outcome.status == 0)
    #expect(outcome.out == "picture.png\n")
    #expect(
      outcome.err.contains(
        "The prompt has words that the model does not know: \"dragon\", \"grey\" (perhaps \"gray\"), \"🏠\"; "
          + "'sdlens prompts' shows what it knows\n"))
  }

  @Test func manyUnknownWordsAreCounted() throws {
    let words = (1...13).map { "w\($0)" }.joined(separator: " ")
    let outcome = try generate("--prompt", words)
    #expect(outcome.err.contains("\"w10\" and 3 more; "))
  }

  @Test func theNegativePromptIsReadWhereItCounts() throws {
    let arguments = ["generate", "--prompt", "a ring", "--negative-prompt", "fog"]
    let guided = try Command.run(arguments + ["--guidance", "2"], in: TemporaryFolder())
    #expect(guided.err.contains("The negative prompt has words that the model does not know: \"fog\"; "))
    #expect(!guided.err.contains("The prompt has"))
    let unguided = try Command.run(arguments, in: TemporaryFolder())
    #expect(!unguided.err.contains("fog"))
  }

  @Test func knownWordsAndOtherModelsAndQuietHaveNoNote() throws {
    #expect(try !generate("--prompt", "a red circle").err.contains("does not know"))
    #expect(try generate("--prompt", "a red dragon", "--quiet").err == "")
    let other = try generate("--prompt", "a red dragon", model: Command.tinyModel)
    #expect(other.status == 0)
    #expect(!other.err.contains("does not know"))
  }

  @Test func promptsAreAListOfASeed() throws {
    let folder = try TemporaryFolder()
    let few = try Command.run(["prompts", "--count", "3", "--seed", "100"], in: folder)
    let more = try Command.run(["prompts", "--seed", "100"], in: folder)
    #expect(few.status == 0 && few.err == "")
    #expect(few.out.split(separator: "\n").count == 3)
    #expect(more.out.split(separator: "\n").count == 10)
    #expect(more.out.hasPrefix(few.out))
    #expect(try Command.run(["prompts", "--seed", "101"], in: folder).out != more.out)
    let heldOut = try Command.run(["prompts", "--seed", "100", "--held-out"], in: folder).out
    #expect(Set(heldOut.split(separator: "\n")).isDisjoint(with: more.out.split(separator: "\n")))
    let written = try Command.run(["prompts", "--seed", "100", "--output", "list.txt"], in: folder)
    #expect(written.out == "list.txt\n")
    #expect(try String(decoding: folder.bytes("list.txt"), as: UTF8.self) == more.out)
  }

  @Test func promptsComeWithTheirTruth() throws {
    let outcome = try Command.run(["prompts", "--count", "20", "--json"], in: TemporaryFolder())
    let list = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [[String: Any]])
    #expect(list.count == 20)
    for entry in list {
      let (prompt, objects) = (
        try #require(entry["prompt"] as? String), try #require(entry["objects"] as? [[String: String]])
      )
      #expect(entry["background"] is String)
      let isEmpty = prompt.hasPrefix("an empty ")
      #expect(objects.count == (isEmpty ? 0 : prompt.components(separatedBy: " and ").count))
      for (object, part) in zip(objects, prompt.components(separatedBy: " and ")) {
        #expect(Set(object.keys) == ["shape", "colour", "size", "texture", "place"])
        #expect(part.contains(object["shape"] ?? "?"))
      }
    }
  }

  @Test(
    arguments: [
      (["--count", "0"], "count is 0, but it must be from 1 to 1000000"),
      (["--seed", "-1"], "seed is -1, but it must be from 0 to 2^64 - 1"),
      (
        ["--json", "--output", "x"],
        "--output takes lines, --json prints on standard output; give one of them"
      ),
    ]) func badOptionsAreRefused(arguments: [String], message: String) throws
  {
    let outcome = try Command.run(["prompts"] + arguments, in: TemporaryFolder())
    #expect(outcome.status == 64)
    #expect(outcome.err.hasPrefix("Error: \(message)\n"))
  }
}
