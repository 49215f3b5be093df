import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// What annotators are shown, say, and are measured by.
@Suite struct AnnotationTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private static func picture(_ colour: [UInt8], _ size: Int = 4) -> Picture {
    Picture(width: size, height: size, samples: (0..<size * size).flatMap { _ in colour })
  }

  // MARK: The question

  @Test func theQuestionHasTheRowsOfThePaper() throws {
    let map = Tensor([1, 0, 0, 0], [2, 2])
    let shown = FeatureSheet.Shown(picture: Self.picture([0, 0, 0]), map: map, share: 0.25)
    let sheet = FeatureSheet(
      block: try BlockName("mid.0"), feature: 3, unrelated: [Self.picture([9, 9, 9])],
      progression: [shown, shown], strongest: [shown], numbers: [])
    var prompt = AnnotationPrompt()
    prompt.cell = 8
    let request = prompt.request(sheet, model: "m", answerTokens: 5)
    let kinds = request.parts.map { part in
      switch part {
      case .text(let text): String(text.prefix(12))
      case .picture(let picture): "\(picture.width) × \(picture.height)"
      }
    }
    #expect(
      kinds == [
        "All pictures", "For comparis", "8 × 8", "From weak to", "24 × 8", "The same pic", "24 × 8",
        "The stronges",
        "8 × 8", "The stronges", "8 × 8",
      ])
    guard case .text(let text) = request.parts[3], case .picture(let cold) = request.parts[10] else {
      throw CancellationError()
    }
    #expect(text.contains("25 %, 25 %"))
    // Black where the feature is active, white in the other corner.
    #expect(cold.samples[0] < 64 && cold.samples.suffix(3) == [255, 255, 255])
    #expect(AnnotationPrompt.task.contains("<thinking>") && AnnotationPrompt.task.contains("<answer>"))
  }

  @Test func rowsStandSideBySideOnWhite() {
    let row = AnnotationPrompt.row([Self.picture([1, 2, 3], 2), Self.picture([4, 5, 6], 2)], cell: 2)
    #expect(row.width == 12 && row.height == 2)
    #expect(
      row.samples.prefix(9) == [1, 2, 3, 1, 2, 3, 255, 255, 255] && row.samples.suffix(3) == [4, 5, 6])
  }

  @Test(
    arguments: [
      ("<thinking>no <answer>draft</answer></thinking><answer> red\n circle </answer>", "red circle"),
      ("<ANSWER>red</ANSWER> bye", "red"), ("<answer>red", nil), ("red", nil), ("<answer> \n</answer>", nil),
      ("</answer><answer>", nil), ("<answer><b>red</b> & \u{1}blue</answer>", "<b>red</b> & blue"), ("", nil),
    ] as [(String, String?)]) func theAnswerIsWhatStandsBetweenTheTags(text: String, caption: String?)
  {
    #expect(AnnotationPrompt.caption(in: text) == caption)
  }

  // MARK: CLIP

  /// What fits all pictures with the feature and none without is better than what fits some of them more.
  @Test func theBestPhraseTellsPicturesFromOthers() {
    let texts = UnitVectors(Tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]))
    func rows(_ values: [[Float]]) -> Tensor { Tensor(values.flatMap { $0 }, [values.count, 3]) }
    // The first is in all pictures; the second in those with the feature; the third in some of them, strongly.
    let with = rows([[2, 1, 0], [2, 1, 0], [2, 1, 5], [2, 1, 0]])
    let without = rows([[2, 0, 0], [2, 0, 0], [2, 0, 0], [2, 0.1, 0]])
    #expect(CLIPAnnotator.best(with: with, without: without, among: texts) == 1)
    // Without others to compare with, the nearest.
    #expect(CLIPAnnotator.best(with: rows([[2, 1, 0], [2, 1, 0.1]]), without: rows([]), among: texts) == 0)
    // Nothing tells pictures from themselves.
    #expect(CLIPAnnotator.best(with: without, without: without, among: texts) == nil)
    #expect(CLIPAnnotator.best(with: rows([]), without: without, among: texts) == nil)
  }

  @Test func phrasesOfShapesNameWhatTheyAreReadAs() {
    let vocabulary = Vocabulary.shapes
    let named = Dictionary(uniqueKeysWithValues: vocabulary.entries.map { ($0.caption, $0.texts) })
    // 31 values, and all pairs of two factors of objects: of 6, 8, 2, 4 and 5 values.
    #expect(named.count == 31 + 48 + 12 + 24 + 30 + 16 + 32 + 40 + 8 + 10 + 20)
    #expect(named["large red shape"]?.isEmpty == false && named["circle on the left"]?.isEmpty == false)
    for entry in vocabulary.entries {
      let values = Set(ShapesCaption.values(in: entry.caption))
      #expect(1...2 ~= values.count && !entry.texts.isEmpty, "\(entry.caption)")
      for text in entry.texts {
        #expect(
          ShapesGrammar.read(text).isCaption && values.isSubset(of: ShapesCaption.values(in: text)), "\(text)"
        )
      }
    }
    #expect(vocabulary.texts(for: "navy background").count == 7)
    #expect(vocabulary.texts(for: "a dog") == ["a dog"])
  }

  @Test func vocabulariesAreFilesOfLines() throws {
    let path = try folder.write("a dog\n\n  a cat \r\na dog\n".utf8, to: "v.txt")
    #expect(try Vocabulary(contentsOf: path).entries.map(\.caption) == ["a dog", "a cat"])
    let empty = try folder.write("\n \n".utf8, to: "e.txt")
    #expect(
      errorMessage { try Vocabulary(contentsOf: empty) }
        == "'\(empty)' holds no phrase; write one in each line")
  }

  @Test func captionsAreReadByTheirWords() {
    func values(_ text: String) -> [String] { ShapesCaption.values(in: text).map(\.description) }
    #expect(
      values("A Small, red-striped thing at the centre? (gray background)") == [
        "size small", "colour red", "texture striped", "place centre", "background gray",
      ])
    #expect(
      values("grey circles with dots; a circle") == ["background gray", "shape circle", "texture dotted"])
    #expect(values("reddish squarely") == [] && values("") == [])
  }

  // MARK: Scores

  @Test func mapsAreMovedByHalf() throws {
    let map = Tensor([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [4, 4])
    #expect(
      try #require(CaptionTest.moved(map)).elements == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0])
    // What is everywhere is not moved, and what is nowhere neither.
    #expect(CaptionTest.moved(Tensor(Array(repeating: 1, count: 16), [4, 4])) == nil)
    #expect(CaptionTest.moved(Tensor([4, 4])) == nil)
  }

  // MARK: Labels

  private func labels(_ text: String, _ features: [BlockName: Int]? = nil) throws -> ImportedLabels {
    let blocks = try features ?? [BlockName("mid.0"): 8]
    return try ImportedLabels(
      contentsOf: folder.write(text.utf8, to: "l.json"), source: "them", features: blocks)
  }

  private func caption(_ feature: Int, _ block: String, _ labels: ImportedLabels) throws -> FeatureCaption? {
    labels.caption(
      of: FeatureSheet(
        block: try BlockName(block), feature: feature, unrelated: [], progression: [], strongest: [],
        numbers: []))
  }

  @Test func labelsOfOthersAreRead() throws {
    let published = try labels(
      "[{\"id\": 0, \"label\": \"office\\nsupplies\", \"category\": \"object\", \"confidence\": \"high\", \"more\": 19.9},"
        + " {\"id\": \"7\", \"label\": \"kitchen\", \"confidence\": 0.5}, {\"id\": 2, \"label\": \"  \"}]")
    let first = try #require(try caption(0, "mid.0", published))
    #expect(first.caption == "office supplies" && first.source == "them" && first.category == "object")
    #expect(first.confidence == "high" && first.date?.count == 10)
    #expect(try caption(7, "mid.0", published)?.confidence == "0.5")
    #expect(try caption(2, "mid.0", published) == nil && published.count(of: BlockName("mid.0")) == 2)
    let blocks = try [BlockName("mid.0"): 8, BlockName("up.0.1"): 4]
    let lines = try labels(
      "{\"block\": \"mid.0\", \"feature\": 7, \"caption\": \"a\", \"sheet\": \"x\"}\n"
        + "{\"block\": \"up.0.1\", \"feature\": 3, \"caption\": \"b\"}\n{\"block\": \"up.0.0\", \"feature\": 9, \"caption\": \"c\"}",
      blocks)
    #expect(try caption(7, "mid.0", lines)?.caption == "a" && caption(3, "up.0.1", lines)?.caption == "b")
  }

  @Test(arguments: [
    #"[{"id": null, "feature": " 3 ", "caption": null, "label": "a"}]"#,
    #"{"feature_id": 3, "caption": "", "description": "a"}"#, #"{"3": "a", "5": "b"}"#,
    "{\n  \"id\": 3,\n  \"label\": \"a\"\n}\n", "\u{FEFF}[{\"id\": 3, \"label\": \"a\"}]",
  ]) func labelsInOtherWords(_ text: String) throws {
    #expect(try caption(3, "mid.0", labels(text))?.caption == "a")
  }

  @Test func labelsThatDoNotMatchAreRefused() throws {
    let cases = [
      (
        "[{\"id\": 8, \"label\": \"a\"}]",
        "entry 1 is of feature 8, but the dictionary of mid.0 has the features 0 to 7: the labels are of another "
          + "dictionary; name theirs with --sae"
      ),
      (
        "[{\"id\": 1, \"label\": \"a\"}, {\"id\": 1, \"label\": \"b\"}]",
        "entry 2 is a second label of feature 1"
      ),
      (
        "[{\"label\": \"a\"}]",
        "entry 1 names no feature; it must have a whole number under 'feature' or 'id'"
      ),
      (
        "[{\"id\": 1.5, \"label\": \"a\"}]",
        "entry 1 names no feature; it must have a whole number under 'feature' or 'id'"
      ),
      ("[{\"id\": 1}]", "entry 1 has no text under 'caption' or 'label'"),
      ("[1]", "entry 1 is no label but 1"),
      ("[]", "has no label with words in it"), ("\n", "has no label with words in it"),
      (
        "feature,label\n1,a",
        "line 1 is not JSON; labels are a list in JSON, or an object in each line, as in {\"id\": 12, \"label\": \"a red "
          + "circle\"}"
      ),
      ("{\"id\": 1, \"label\": \"a\", \"block\": \"top\"}", "line 1 is of 'top', which is no block"),
      (
        "{\"id\": 1, \"label\": \"a\", \"block\": \"up.0.1\"}",
        "has labels of up.0.1, none of mid.0; choose others with --block"
      ),
    ]
    for (text, message) in cases {
      #expect(errorMessage { try labels(text) } == "'\(folder("l.json"))' \(message)")
    }
    let two = try [BlockName("mid.0"): 8, BlockName("up.0.1"): 4]
    #expect(
      errorMessage { try labels("{\"id\": 1, \"label\": \"a\"}", two) }.hasSuffix(
        "line 1 does not tell its 'block', and there are dictionaries of mid.0 and up.0.1; choose one with --block"
      ))
  }

  /// A judge whose answers come from an endpoint: numbers within its tags.
  @Test func aLanguageModelJudgesByNumbers() throws {
    let answers = ["<answer>1, 3</answer>", "<answer>none</answer>", "1 and 2", "<answer>7, 2</answer>"]
    let server = try LoopbackServer { _, number in .answer(200, LoopbackServer.completion(answers[number])) }
    let endpoint = try ChatEndpoint(
      server.url, model: "m", keeping: folder("answers.jsonl"), environment: [:])
    let judge = EndpointAnnotator(endpoint)
    let pictures = [Self.picture([1, 1, 1]), Self.picture([2, 2, 2]), Self.picture([3, 3, 3])]
    #expect(try judge.fitting("a", pictures, count: 2) == [0, 2])
    #expect(try judge.fitting("b", pictures, count: 2) == [])
    #expect(try judge.fitting("c", pictures, count: 2) == nil)
    #expect(try judge.fitting("d", pictures, count: 2) == [1])
  }
}
