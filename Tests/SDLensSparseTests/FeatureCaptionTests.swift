import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// `captions.jsonl`.
@Suite struct FeatureCaptionTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func read(_ text: String) throws -> FeatureCaptions {
    try FeatureCaptions(contentsOf: folder.write(text.utf8, to: "captions.jsonl"), features: 8)
  }

  @Test func severalSourcesStandSideBySide() throws {
    let captions = try read(
      """
      {"feature": 3, "caption": "red", "source": "clip", "model": "m", "date": "2026-11-28", "scores": {"detection": 1}}

      {"feature": 3, "caption": "reddish", "source": "endpoint", "category": "color", "confidence": "high", "mine": [1]}
      {"feature": 4, "caption": "old"}
      {"feature": 4, "caption": "by hand"}
      {"feature": 4, "caption": "blue", "source": "clip"}
      {"feature": 3, "caption": "crimson", "source": "clip", "scores": null}

      """)
    #expect(captions.all.count == 4)
    #expect(captions[3].map(\.caption) == ["crimson", "reddish"])
    #expect(captions[3][1].category == "color" && captions[3][1].confidence == "high")
    #expect(captions[4].map(\.caption) == ["by hand", "blue"] && captions[5].isEmpty)
    #expect(captions.preferred == [3: "crimson", 4: "by hand"])
  }

  /// Other lines stay as they were, to the letter.
  @Test func captionsArePutBehindOthers() throws {
    let path = folder("captions.jsonl")
    let mine = "{\"feature\": 1,  \"caption\": \"mine\", \"note\": \"kept\"}"
    try folder.write(
      "\(mine)\n{\"feature\": 1, \"caption\": \"a\", \"source\": \"clip\"}\n".utf8, to: "captions.jsonl")
    var caption = FeatureCaption(
      feature: 1, caption: "b \"c\" <i>", source: "clip", model: "m", date: "2026-11-28")
    caption.scores = ["detection": 0.75]
    try FeatureCaptions.put(
      [caption, FeatureCaption(feature: 0, caption: "d", source: "x")], into: path, features: 8)
    let lines = try TextFile(path).lines.map(String.init)
    #expect(lines.count == 3 && lines[0] == mine)
    let found = try FeatureCaptions(contentsOf: path, features: 8)
    #expect(found[1].last == caption && found.preferred == [1: "mine", 0: "d"])
    try FileManager.default.removeItem(atPath: path)
    try FeatureCaptions.put([caption], into: path, features: 8)
    #expect(try FeatureCaptions(contentsOf: path, features: 8).all == [caption])
  }

  @Test func captionsOfSeveralProgramsAreAllKept() async throws {
    let path = folder("captions.jsonl")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for feature in 0..<24 {
        group.addTask {
          try FeatureCaptions.put(
            [FeatureCaption(feature: feature, caption: "a", source: "x")], into: path, features: 24)
        }
      }
      try await group.waitForAll()
    }
    #expect(try FeatureCaptions(contentsOf: path, features: 24).all.map(\.feature).sorted() == Array(0..<24))
  }

  @Test func linesThatAreNoneAreRefused() throws {
    let first =
      "line 1 must be like {\"feature\": 12, \"caption\": \"a red circle\"}, with a feature from 0 to 7"
    for text in [
      "{\"feature\": 8, \"caption\": \"a\"}", "{\"feature\": 1}", "[]",
      "{\"feature\": -1, \"caption\": \"a\"}",
    ] {
      #expect(errorMessage { try read(text) }.hasSuffix(first))
    }
    #expect(
      errorMessage { try read("{\"feature\": 1, \"caption\": \"a\", \"source\": 5}") }.hasSuffix(
        "line 1 must be like {…, \"source\": \"…\"}, with a text for 'source'"))
    for scores in ["[1]", "{\"a\": NaN}", "{\"a\": \"b\"}"] {
      #expect(
        errorMessage { try read("{\"feature\": 1, \"caption\": \"a\", \"scores\": \(scores)}") }.hasSuffix(
          "with numbers for 'scores'"))
    }
    // Nothing is lost of a file that cannot be read.
    let path = try folder.write("mine\n".utf8, to: "captions.jsonl")
    #expect(
      !errorMessage {
        try FeatureCaptions.put([FeatureCaption(feature: 1, caption: "a")], into: path, features: 8)
      }
      .isEmpty)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine\n")
  }

  @Test func whatProgramsSayBecomesALine() {
    #expect(FeatureCaption.cleaned("  red\n\tcircle\u{1B}[31m\u{0} ") == "red circle [31m")
    #expect(FeatureCaption.cleaned(" \n\u{7} ") == nil)
    let long = FeatureCaption.cleaned(String(repeating: "ab ", count: 200))
    #expect(long?.count == FeatureCaption.longest && long?.hasSuffix("…") == true)
  }
}
