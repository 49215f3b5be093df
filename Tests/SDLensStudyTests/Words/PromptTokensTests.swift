import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// Which tokens make up a word, as transformers' tokenizer cuts prompts; Scripts/goldens/words.py has the recipe.
@Suite struct PromptTokensTests {
  // convert_ids_to_tokens, whose "</w>" ends a word
  @Test(arguments: WordGoldens.prompts.indices) func wordsAreThoseOfTransformers(_ index: Int) throws {
    let golden = WordGoldens.prompts[index]
    let tokens = try WordGoldens.tokens(golden.prompt)
    let last = golden.words.last?.last ?? 0
    var wanted = [("<start>", 0..<1)] + golden.words.map { ($0.text, $0.first..<$0.last + 1) }
    wanted.append(("<end>", last + 1..<last + 2))
    if last < 75 { wanted.append(("<padding>", last + 2..<77)) }
    #expect(tokens.words.map(\.text) == wanted.map(\.0))
    #expect(tokens.words.map(\.places) == wanted.map(\.1))
    #expect(tokens.count == 77)
  }

  @Test func aWordIsFoundHoweverItIsWritten() throws {
    let tokens = try WordGoldens.tokens(WordGoldens.prompt)
    #expect(tokens.names.prefix(4) == ["<start>", "a", "circle#1", ","])
    #expect(try tokens.places(of: " Circle ") == Array(2...6) + Array(10...14))
    #expect(try tokens.places(of: "red  CIRCLE") == Array(9...14))
    #expect(try tokens.places(of: "circle#2") == Array(10...14))
    #expect(try tokens.places(of: "<padding>").count == 77 - 35)
    #expect(tokens.occurrences(of: "circle, the").count == 1)
    // A part of a word is no word.
    for part in ["le", "star", "fish", "", " ", "<pad>", "circle the"] {
      #expect(tokens.occurrences(of: part).isEmpty, "\(part)")
    }
    let names = tokens.names
    #expect(Set(names).count == names.count)
    for (name, word) in zip(names, tokens.words) {
      #expect(try tokens.places(of: name) == Array(word.places))
    }
  }

  @Test func aPromptThatFillsAllTokensHasNoPadding() throws {
    let long = try WordGoldens.tokens(WordGoldens.prompts[4].prompt)
    #expect(long.removed?.hasSuffix("tail") == true && long.words.last?.text == "<end>")
    #expect(
      errorMessage { try long.places(of: "tail") }.hasPrefix(
        "'tail' is not among the 77 tokens that the model reads, which leave out \""))
    #expect(
      errorMessage { try long.places(of: "<padding>") }.hasPrefix("'<padding>' is no word of \"word word"))
  }

  @Test(arguments: [
    ("", "circle", "'circle' is no word of the empty prompt, which has: <start> <end> <padding>"),
    (
      "a red circle", "square",
      "'square' is no word of \"a red circle\", which has: <start> a red circle <end> <padding>"
    ),
    (
      "a circle, a ring", "",
      "'' is no word of \"a circle, a ring\", which has: <start> a#1 circle , a#2 ring <end> <padding>"
    ),
    ("a red circle", "red#2", "there is no 'red#2', since \"a red circle\" has 'red' once"),
    ("a, a, a", "a#4", "there is no 'a#4', since \"a, a, a\" has 'a' 3 times"),
    ("a, a, a", "a#0", "there is no 'a#0', since \"a, a, a\" has 'a' 3 times"),
  ])
  func refusals(prompt: String, word: String, message: String) throws {
    let tokens = try WordGoldens.tokens(prompt)
    #expect(errorMessage { try tokens.places(of: word) } == message)
  }

  @Test func tokenizersThatDisagree() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: EditedModel.tinyPath, toPath: folder("model"))
    // Without merges every letter is a token.
    try FileManager.default.removeItem(atPath: folder("model/tokenizer_2/merges.txt"))
    try folder.write("#version: 0.2\n".utf8, to: "model/tokenizer_2/merges.txt")
    let encoder = try PromptEncoder(ModelFolder(folder("model")))
    #expect(
      errorMessage { _ = try encoder.tokens(of: "a red circle") }
        == "the model's two tokenizers cut \"a red circle\" into different tokens, so that no token belongs to one word; "
        + "take tokenizer and tokenizer_2 from one model")
  }
}
