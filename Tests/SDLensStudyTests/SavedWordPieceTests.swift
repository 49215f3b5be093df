import Foundation
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Testing

/// Tokenizers of BERT in the layouts of all versions of transformers, with added tokens.
@Suite struct SavedWordPieceTests {
  private let saved: SavedTokenizers

  init() throws {
    let goldens = Goldens()
    saved = try SavedTokenizers(
      goldens("saved-tokenizers.json"), source: goldens("sentences"), vocabulary: ["vocab.txt"])
  }

  // BertTokenizer.from_pretrained(folder)(text).input_ids
  @Test func textsAreCutAsInTransformers() throws {
    let cases = try saved.cases()
    #expect(cases.count == 15)
    for tokenizer in cases {
      let cut = try WordPiece(folder: tokenizer.folder.path, length: 256)
      for (text, ids) in tokenizer.strings {
        #expect(cut(text) == ids, "\(tokenizer.name): \(text.debugDescription)")
      }
    }
  }

  /// `AutoTokenizer` of transformers 5.23, with `truncation=True, max_length=6`: `tokenizer_config.json` decides, then
  /// `tokenizer.json`.
  @Test(
    arguments: [
      (nil, "Left", [5, 178, 286, 234, 260, 6]), ("right", "Left", [5, 259, 175, 236, 261, 6]),
      ("left", "Right", [5, 178, 286, 234, 260, 6]), (nil, "Right", [5, 259, 175, 236, 261, 6]),
    ] as [(String?, String, [Int])])
  func textsAreCutAtTheEndThatIsTold(_ side: String?, _ direction: String, _ ids: [Int]) throws {
    let folder = try #require(saved.cases().first { $0.name == "saved" }).folder
    var whole = saved.whole([Any]())
    whole["truncation"] = ["direction": direction, "max_length": 6, "strategy": "LongestFirst", "stride": 0]
    try folder.write(try JSONSerialization.data(withJSONObject: whole), to: "tokenizer.json")
    let config = try String(contentsOfFile: folder("tokenizer_config.json"), encoding: .utf8)
    let told = side.map { "{\"truncation_side\": \"\($0)\", " } ?? "{"
    try folder.write(config.replacing("{", with: told, maxReplacements: 1).utf8, to: "tokenizer_config.json")
    #expect(try WordPiece(folder: folder.path, length: 6)("stars and rain over the sea") == ids)
  }

  // Pieces that Swift's strings do not tell apart.
  @Test func piecesAreToldApartByTheirBytes() throws {
    let folder = try #require(saved.cases().first { $0.name == "saved" }).folder
    var whole = saved.whole([Any]())
    var model = try #require(whole["model"] as? [String: Any])
    model["vocab"] = NSDictionary()
    whole["model"] = model
    let text = String(decoding: try JSONSerialization.data(withJSONObject: whole), as: UTF8.self)
    let vocabulary =
      #"{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"\u00e9":5,"e\u0301":6,"e":7}"#
    try folder.write(
      text.replacing(#""vocab":{}"#, with: "\"vocab\":\(vocabulary)").utf8, to: "tokenizer.json")
    let config = try String(contentsOfFile: folder("tokenizer_config.json"), encoding: .utf8)
    let cased = config.replacing(/"do_lower_case" ?: ?true/, with: "\"do_lower_case\":false")
    try folder.write(cased.utf8, to: "tokenizer_config.json")
    let cut = try WordPiece(folder: folder.path, length: 256)
    #expect(cut("\u{e9} e\u{301} e x") == [2, 5, 6, 7, 1, 3])
  }

  @Test func aPieceWithoutANumberIsRefused() throws {
    let folder = try #require(saved.cases().first { $0.name == "saved" }).folder
    try folder.write(#"{"model": {"vocab": {"a": 1.5}}}"#.utf8, to: "tokenizer.json")
    #expect(
      errorMessage { try WordPiece(folder: folder.path, length: 256) }
        == "'\(folder("tokenizer.json"))' gives 'a' the number 1.5, which is none")
  }
}
