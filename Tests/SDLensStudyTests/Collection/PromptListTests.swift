import Foundation
import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

@Suite struct PromptListTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func list(_ text: String, _ name: String, column: String? = nil, limit: Int? = nil) throws
    -> [String]
  {
    try PromptList(contentsOf: folder.write(Array(text.utf8), to: name), column: column, limit: limit).prompts
  }

  private func message(_ text: String, _ name: String, column: String? = nil) -> String {
    let message = errorMessage { _ = try list(text, name, column: column) }
    return message.replacingOccurrences(of: folder(name), with: "FILE")
  }

  @Test func linesOfText() throws {
    #expect(
      try list("a red cat\n  two, \"dogs\" \r\nein Bär", "a.txt") == [
        "a red cat", "two, \"dogs\"", "ein Bär",
      ])
    #expect(try list("a\nb\nc\n", "a.txt", limit: 2) == ["a", "b"])
    #expect(try list("a\nb\n", "a.txt", limit: 20) == ["a", "b"])
  }

  @Test func linesOfJSON() throws {
    let text = "\"a \\\"red\\\" cat\"\n{\"prompt\": \"a dog\", \"seed\": 3}\n{\"caption\": \"\"}\n"
    #expect(try list(text, "a.jsonl") == ["a \"red\" cat", "a dog", ""])
  }

  @Test func columnsOfCSV() throws {
    let text = "id,Caption\r\n1,a cat\n2,\"a \"\"big\"\", red\ncat\"\n"
    #expect(try list(text, "a.csv") == ["a cat", "a \"big\", red\ncat"])
  }

  /// The values are those of `csv.DictReader` with the delimiter.
  @Test(arguments: [
    ("id;Caption\n1;a cat, red\n2;\"a; b\"\n", "a.csv", "semicolons", ["a cat, red", "a; b"]),
    ("id\tcaption\n1\ta cat, red\n", "a.csv", "tabs", ["a cat, red"]),
    ("caption\tid\n\"a\tb\"\t1\n", "a.tsv", "tabs", ["a\tb"]),
    ("caption\na, b\n", "a.tsv", "tabs", ["a, b"]),
    ("caption,b;text\na;b,c\n", "a.csv", nil, ["a;b"]),
    ("id|text\n1|a cat\n", "a.csv", "bars", ["a cat"]),
    ("sep=;\r\nid;text\r\n1;a cat\r\n", "a.csv", "semicolons", ["a cat"]),
    ("sep=,\nid,text\n1,a cat\n", "a.csv", nil, ["a cat"]),
  ]) func otherSeparators(_ text: String, _ name: String, _ what: String?, _ prompts: [String]) throws {
    #expect(try list(text, name) == prompts)
    let notes = try PromptList(contentsOf: folder(name)).notes
    #expect(notes == (what.map { ["The columns of '\(folder(name))' are separated by \($0)"] } ?? []))
  }

  @Test(
    arguments: [
      (
        Array("PK\u{3}\u{4}".utf8) + [0xFF],
        "is a zip archive or a spreadsheet; unpack it, or save it as CSV in UTF-8"
      ),
      ([0x61, 0, 0x62, 0, 0x0A, 0], "is UTF-16 text; save it as UTF-8"),
      ([0, 0x61, 0, 0x62], "is UTF-16 text; save it as UTF-8"),
    ] as [([UInt8], String)])
  func filesThatAreNoText(_ bytes: [UInt8], _ what: String) throws {
    for name in ["a.csv"] + (bytes.contains(0x61) ? [] : ["a.xlsx"]) {
      let path = try folder.write(bytes, to: name)
      #expect(errorMessage { try PromptList(contentsOf: path) } == "'\(path)' \(what)")
    }
  }

  private struct Golden: Decodable {
    let name: String
    let text: String
    let prompts: [String]
  }

  // csv.DictReader (and pandas.read_csv), json.loads of each line, open(…)
  @Test func listsAreThoseOfPython() throws {
    let goldens: [Golden] = try Goldens(
      beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    ).json("prompt-lists.json")
    #expect(goldens.count > 30)
    for golden in goldens {
      let file = "a." + golden.name.split(separator: ".").last!
      let found = try list(golden.text, file)
      // Equal texts may be written differently; prompts must be the same to the byte.
      #expect(found.map { Array($0.utf8) } == golden.prompts.map { Array($0.utf8) }, "\(golden.name)")
    }
  }

  /// Tables of pyarrow, pandas and polars, and text that was made smaller.
  @Test func tablesAreThoseOfOtherPrograms() throws {
    let goldens = Goldens(beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path)
    let tables: [String: [String]] = try goldens.json("tables/tables.json")
    #expect(tables.count > 28)
    #expect(
      try PromptList(contentsOf: goldens("tables/looks-compressed.parquet")).prompts
        == [String(repeating: "x", count: 559_903), "b"])
    for (name, prompts) in tables {
      let path = goldens("tables/\(name)")
      #expect(try PromptList(contentsOf: path).prompts == prompts, "\(name)")
      #expect(try PromptList(contentsOf: path, limit: 5).prompts == Array(prompts.prefix(5)), "\(name)")
      // By any other name, as what it is.
      let other = try folder.write(FileManager.default.contents(atPath: path)!, to: "a.csv")
      if name.hasSuffix(".parquet") {
        #expect(try PromptList(contentsOf: other).prompts == prompts, "\(name)")
      }
    }
  }

  @Test(arguments: [
    ("twice", "has two columns 'prompt'; rename one, or choose another with --column"),
    ("empty", "is a table without rows"),
    (
      "elsewhere",
      "cannot be read as a Parquet table: its columns lie in other files; write it again, or as CSV, as pandas does "
        + "with read_parquet and to_csv"
    ),
    ("null", "row 4 has no text; leave such rows out, as pandas does with dropna"),
    (
      "lists",
      "has the columns captions, id, but one of texts named 'caption', 'top_caption', 'prompt' or 'text' is needed; "
        + "choose one with --column"
    ),
    (
      "brotli",
      "cannot be read as a Parquet table: it is made smaller by Brotli, but only Snappy, gzip and Zstandard are read; "
        + "write it again, or as CSV, as pandas does with read_parquet and to_csv"
    ),
    (
      "lz4",
      "cannot be read as a Parquet table: it is made smaller by LZ4, but only Snappy, gzip and Zstandard are read; "
        + "write it again, or as CSV, as pandas does with read_parquet and to_csv"
    ),
  ]) func tablesThatAreRefused(_ name: String, _ what: String) throws {
    let goldens = Goldens(beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path)
    let path = goldens("tables/refused-\(name).parquet")
    #expect(errorMessage { try PromptList(contentsOf: path) } == "'\(path)' \(what)")
  }

  /// Cut or changed anywhere, a table gives other texts or a message, and nothing traps.
  @Test func damagedTables() throws {
    let goldens = Goldens(beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path)
    for name in ["snappy-1.0", "zstd-2.0", "gzip-1.0", "prefixes", "lengths", "small-dictionary"] {
      let bytes = [UInt8](FileManager.default.contents(atPath: goldens("tables/\(name).parquet"))!)
      for place in stride(from: 0, to: bytes.count, by: 5) {
        let cut = try folder.write(bytes[..<place], to: "cut.parquet")
        let message = errorMessage { try PromptList(contentsOf: cut) }
        #expect(place < 4 || message.contains(" Parquet table: "), "\(message)")
        var changed = bytes
        changed[place] ^= 0x55
        let path = try folder.write(changed, to: "changed.parquet")
        do { _ = try PromptList(contentsOf: path) } catch is any UserError {}
      }
    }
  }

  @Test func whatIsCompressedMustBeWhole() throws {
    let goldens = Goldens(beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path)
    for (name, program) in [
      ("a.csv.gz", "gzip"), ("a.csv.bz2", "bzip2"), ("a.csv.xz", "xz"), ("a.jsonl.zst", "zstd"),
    ] {
      let bytes = [UInt8](FileManager.default.contents(atPath: goldens("tables/\(name)"))!)
      var changed = bytes
      changed[bytes.count - 6] ^= 1
      // A frame of zstd has a checksum only where its writer wants one.
      for damaged in [bytes.dropLast(1), bytes.dropLast(9)] + (program == "zstd" ? [] : [changed[...]]) {
        let path = try folder.write(damaged, to: name)
        let message = errorMessage { try PromptList(contentsOf: path) }
        #expect(message.hasPrefix("'\(path)' is not a whole \(program) file: "), "\(name): \(message)")
        #expect(message.hasSuffix("; download or write it again"), "\(message)")
      }
    }
  }

  @Test(arguments: [
    #"["a", {"caption": "b"}]"#, "[\n  \"a\",\n  {\n    \"caption\": \"b\"\n  }\n]\n",
    #"{"info": {}, "annotations": [{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}]}"#,
    "\"a\"\n{\"caption\": \"b\"}\n",
  ]) func listsInJSON(_ text: String) throws {
    #expect(try list(text, "a.json") == ["a", "b"])
    #expect(
      message(text.replacing("\"b\"", with: "3"), "a.json").contains(
        " 2 has no text under 'caption', 'top_caption', 'prompt' or 'text'; it has {"))
  }

  @Test func columnsAreChosen() throws {
    let table = "URL,TEXT,top_caption,Note\nx,alt,a red circle,n\n"
    #expect(try list(table, "a.csv") == ["a red circle"])
    #expect(try list(table, "a.csv", column: "TEXT") == ["alt"])
    #expect(try list(table, "a.csv", column: "text") == ["alt"])
    #expect(try list(table, "a.csv", column: "note") == ["n"])
    let lines =
      #"{"caption": null, "prompt": "a", "Title": "t"}"# + "\n" + #"{"text": 3, "PROMPT": "b", "Title": "u"}"#
    #expect(try list(lines, "a.jsonl") == ["a", "b"])
    #expect(try list(lines, "a.jsonl", column: "title") == ["t", "u"])
    let mixed = [#"{"caption": "a", "text": "x"}"#, #"{"caption": null, "text": "b"}"#].joined(
      separator: "\n")
    #expect(try list(mixed, "a.jsonl") == ["a", "b"])
    #expect(
      try PromptList(contentsOf: folder("a.jsonl")).notes.last
        == "In '\(folder("a.jsonl"))' one prompt is not under 'caption': that of line 2 is under 'text'; --column takes "
        + "one alone")
    let better = [#"{"text": "x"}"#, #"{"caption": "a", "text": "y"}"#, #"{"caption": "b"}"#]
    #expect(try list(better.joined(separator: "\n"), "a.jsonl") == ["x", "a", "b"])
    #expect(
      try PromptList(contentsOf: folder("a.jsonl")).notes.last
        == "In '\(folder("a.jsonl"))' 2 prompts are not under 'text': the first, that of line 2, is under 'caption'; --column "
        + "takes one alone")
    let notes = try PromptList(contentsOf: folder.write(Array(table.utf8), to: "a.csv")).notes
    #expect(
      notes == [
        "The prompts of '\(folder("a.csv"))' are those under 'top_caption'; it also has 'TEXT': choose with --column"
      ])
  }

  @Test func aChoiceThatFitsNothing() {
    #expect(
      message("a,caption\n1,2", "a.csv", column: "x")
        == "'FILE' has the columns a, caption, but one named 'x' is needed; choose one with --column")
    #expect(
      message("{\"caption\": \"a\"}", "a.jsonl", column: "x")
        == "'FILE' line 1 has no text under 'x'; it has {'caption': \"a\"}")
    #expect(
      message("\"a\"", "a.jsonl", column: "x")
        == "'FILE' line 1 is \"a\", but an object with a text under 'x' is needed")
    #expect(
      message("a", "a.txt", column: "x")
        == "'FILE' is text without columns, but --column names 'x'; leave it out")
  }

  @Test func blankLinesAtTheEndShiftNothing() throws {
    #expect(try list("a\nb\n\n \n", "a.txt") == ["a", "b"])
  }

  @Test(arguments: [
    ("", "a.txt", "'FILE' is empty (0 bytes); download or write it again"),
    (
      "\n", "b.txt", "'FILE' has a blank line, line 1; delete it (an empty prompt can stand in a .jsonl file)"
    ),
    (
      "a\n \nb", "a.txt",
      "'FILE' has a blank line, line 2; delete it (an empty prompt can stand in a .jsonl file)"
    ),
    ("a", "a.doc", "'FILE' must end in .txt, .jsonl, .json, .csv, .tsv or .parquet"),
    (
      "\"a\"\n{\"b\": 1}", "a.jsonl",
      "'FILE' line 2 has no text under 'caption', 'top_caption', 'prompt' or 'text'; it has {'b': 1}"
    ),
    ("\"a\"\n{", "a.jsonl", "'FILE' line 2 is not JSON: column 2: "),
    (
      "a,b\n1,2", "a.csv",
      "'FILE' has the columns a, b, but one named 'caption', 'top_caption', 'prompt' or 'text' is needed"
    ),
    ("a,text\n1,2\n3", "a.csv", "'FILE' line 3 has 1 fields, but 'text' is number 2 of the header"),
    (
      "text,a\nred, round,1", "a.csv",
      "'FILE' line 2 has 3 fields, but the header has 2; put a text with commas in quotation marks"
    ),
    (
      "a,text\n\n\"x\ny\",2\n3,\n", "a.csv",
      "'FILE' line 5 has no text under 'text'; delete it (an empty prompt can stand in a .jsonl file)"
    ),
    ("a,text\n3,\"\"\n", "a.csv", "'FILE' line 2 has no text under 'text'"),
    ("text,text\na,b", "a.csv", "'FILE' has two columns 'text'"),
    ("{\"caption\": null}", "a.jsonl", "'FILE' line 1 has no text under"),
    ("{\"caption\": \"a\"}\n\n{\"caption\": 3}", "a.jsonl", "'FILE' line 3 has no text under"),
    (
      "{\"caption\": \"\\ud83d\"}", "a.jsonl",
      "'FILE' line 1 is not JSON: column 21: an escape in a text is wrong"
    ),
    (
      "text\tb\na\tb\tc", "a.tsv",
      "'FILE' line 2 has 3 fields, but the header has 2; put a text with tabs in quotation marks"
    ),
    ("text,b\na,b", "a.tsv", "'FILE' has the columns text,b, but one named"),
    ("text\n\"a", "a.csv", "'FILE' line 2 begins a quoted field that never ends"),
    ("text\n", "a.csv", "'FILE' holds no prompt; write one in each line"),
  ])
  func refusals(text: String, name: String, wanted: String) {
    let found = message(text, name)
    #expect(found.hasPrefix(wanted), "\(found)")
  }

  @Test func textInAnotherEncoding() throws {
    let path = try folder.write([0x61, 0xE4, 0x0A], to: "latin.txt")
    #expect(
      errorMessage { _ = try PromptList(contentsOf: path) }
        == "'\(path)' is not UTF-8 text; save it as UTF-8")
  }

  @Test func theFingerprintTellsListsApart() throws {
    func fingerprint(_ text: String) throws -> String {
      try PromptList(contentsOf: folder.write(Array(text.utf8), to: "a.txt")).fingerprint
    }
    #expect(try fingerprint("ab\nc") == fingerprint("ab\nc\n"))
    #expect(try fingerprint("ab\nc") != fingerprint("a\nbc"))
  }

  @Test func partsOfAJob() {
    #expect(ShardSelection("1/1") == .all)
    #expect(ShardSelection("3/8") != nil)
    for text in ["", "3", "0/8", "9/8", "1/0", "-1/2", "1/2/3", "a/b", "1 / 2"] {
      #expect(ShardSelection(text) == nil, "\(text)")
    }
  }
}
