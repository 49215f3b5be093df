import Foundation
import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

/// The parts `annotate` and `ablate-…` of `reproduce`: their numbers are those of the commands alone.
@Suite struct ReproducePartTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// What is kept of a part.
  private struct Record: Decodable {
    let findings: PartFindings
  }

  private func reproduce(_ arguments: [String]) throws -> Outcome {
    try Command.run(["reproduce", "--workspace", "w", "--quiet", "--threads", "2"] + arguments, in: folder)
  }

  private func report(_ arguments: [String]) throws -> ReproductionReport {
    let outcome = try reproduce(arguments)
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome)")
    let report = try JSON.read(ReproductionReport.self, from: folder("w/report/report.json"))
    // The page shows what the file says, and nothing else.
    let page = try String(contentsOfFile: folder("w/report/report.html"), encoding: .utf8)
    #expect(try page == ReportPage(report, figures: folder("w/report/figures")).html)
    return report
  }

  /// The parts that are done, and when; and when the dictionaries were made.
  private func stamps() throws -> [String: String] {
    let lines = try shell("stat -c '%n %y' w/report/parts/*.json w/saes/*/*/sae.json || true", in: folder).out
    return Dictionary(
      uniqueKeysWithValues: lines.split(separator: "\n").map { line in
        let words = line.split(separator: " ", maxSplits: 1)
        return ("\(words[0])", "\(words[1])")
      })
  }

  private static func prompts(_ count: Int) -> String {
    (0..<count).map { "a house with \($0) windows" }.joined(separator: "\n")
  }

  private func part(_ name: String, of report: ReproductionReport) throws -> Reproduction.PartState {
    try #require(report.parts.first { $0.name == name })
  }

  // MARK: Captions

  private static let shapes = [
    "--limit", "40", "--features", "32", "--k", "4", "--steps", "40", "--measured", "2", "--only", "annotate",
  ]

  private struct Annotated: Decodable {
    struct Block: Decodable {
      struct Score: Decodable {
        let name: String
        let own, random: Value?
      }
      struct Value: Decodable {
        let value: Double
        let n: Int
        let interval: [Double]?
      }
      let block: String
      let features, captioned: Int
      let scores: [Score]
    }
    let table: String
    let blocks: [Block]
  }

  @Test func captionsInTheReportAreThoseOfTheCommandAlone() throws {
    let found = try report(Self.shapes)
    // What it needs is done before, and nothing else.
    #expect(found.parts.filter { $0.state == .done }.map(\.name) == ["record", "train", "annotate"])
    #expect(try part("tables", of: found).state == .notAsked)
    let section = try #require(found.sections.first { $0.chapter == .captions })
    let table = try #require(section.tables.first { $0.title.hasPrefix("Captions by CLIP") })
    #expect(section.exhibits.map(\.file) == ["annotation.png"] && section.tables.count == 1)

    // The command alone, with what the report recorded and trained.
    try FileManager.default.createDirectory(atPath: folder("v"), withIntermediateDirectories: true)
    #expect(
      try shell("cp -r w/activations w/saes w/pictures v && rm v/saes/*/*/captions.jsonl", in: folder).status
        == 0)
    let outcome = try Command.run(
      ["annotate", "--workspace", "v", "--features", "random:2", "--json", "--quiet", "--threads", "2"],
      in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    let alone = try JSON.decode(Annotated.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
    #expect(alone.blocks.count == 4)
    var numbers = 0
    for block in alone.blocks {
      for score in block.scores {
        for (value, subject) in [(score.own, block.block), (score.random, "\(block.block), at random")] {
          let row = table.rows.first { $0.subject == subject }
          let column = table.columns.firstIndex(of: score.name)
          let cell = row.flatMap { row in column.map { row.cells[$0] } }
          #expect(cell?.mean == value?.value, "\(score.name) of \(subject)")
          if let value {
            #expect(cell?.n == value.n && cell?.interval == value.interval)
            numbers += 1
          }
        }
      }
    }
    #expect(numbers == table.rows.reduce(0) { $0 + $1.cells.count { $0.mean != nil } } && numbers > 8)
    let captioned = alone.blocks.reduce(0) { $0 + $1.captioned }
    #expect(
      try part("annotate", of: found).notes == [
        "\(captioned) of 8 features have a caption. What is true was seen on 40 pictures."
      ])
    let record = try JSON.read(Record.self, from: folder("w/report/parts/annotate.json"))
    #expect(record.findings.measurements.count == numbers)
    // Each caption by itself stands in the same table of both.
    let tables = try shell("cat w/results/annotate-*/scores.csv; echo; cat \(alone.table)", in: folder).out
      .components(separatedBy: "\n\n")
    #expect(
      tables.count == 2
        && tables[0].trimmingCharacters(in: .newlines) == tables[1].trimmingCharacters(in: .newlines))

    // Again nothing is done; without a dictionary, what is made of it.
    let before = try stamps()
    #expect(try report(Self.shapes) == found && stamps() == before)
    #expect(try shell("rm -r w/saes/mid.0/*", in: folder).status == 0)
    #expect(try report(Self.shapes) == found)
    let after = try stamps()
    for name in ["train", "annotate"] {
      #expect(after["w/report/parts/\(name).json"] != before["w/report/parts/\(name).json"])
    }
    #expect(try shell("ls w/saes/mid.0/*/captions.jsonl", in: folder).status == 0)
  }

  @Test func whoCannotNameFeaturesSaysWhy() throws {
    let outcome = try reproduce(Self.shapes + ["--clip", "nowhere"])
    #expect(
      outcome.status == 1 && outcome.err.hasPrefix("Error: there is no folder 'nowhere'; --clip takes "),
      "\(outcome)")
    try folder.write([], to: "empty/nothing")
    let empty = try reproduce(Self.shapes + ["--clip", "empty"])
    #expect(empty.status == 1 && empty.err.hasPrefix("Error: 'empty/"), "\(empty)")
    #expect(!FileManager.default.fileExists(atPath: folder("w")))

    try folder.write(Self.prompts(24).utf8, to: "prompts.txt")
    let other = try report([
      "--model", Command.tinyModel, "--prompts", "prompts.txt", "--features", "16", "--k", "2", "--steps",
      "4",
      "--only", "annotate", "ablate-representation",
    ])
    let annotate = try part("annotate", of: other)
    #expect(annotate.state == .impossible)
    #expect(
      annotate.notes == [
        "CLIP has phrases for the world of shapes only; say what features mean with: sdlens annotate, and repeat this"
      ])
    let ablation = try part("ablate-representation", of: other)
    #expect(ablation.state == .impossible)
    #expect(ablation.notes == ["it takes at least 300 prompts, to learn and to measure; there are 24"])
    #expect(try part("record", of: other).state == .done)
  }

  // MARK: Ablations

  private struct Ablated: Decodable, Equatable {
    struct Row: Decodable, Equatable {
      struct Cell: Decodable, Equatable {
        struct Estimate: Decodable, Equatable {
          let value: Double
          let n: Int
          let interval: [Double]?
        }
        let column: String
        let values: [Double]
        let estimate: Estimate
      }
      let variant: String
      let cells: [Cell]
    }
    struct Column: Decodable, Equatable {
      let name, title: String
    }
    let columns: [Column]
    let rows: [Row]
  }

  /// The table of a part has the numbers of the results beside it, but for the loss, which vectors of different lengths
  /// do not share.
  private func expectEqual(_ report: ReproductionReport, _ name: String, _ wanted: Ablated) throws {
    let section = try #require(report.sections.first { $0.chapter == .ablations })
    let start = name == "ablate-representation" ? "Dictionaries of what a block adds" : "Sizes, and recipes"
    let table = try #require(section.tables.first { $0.title.hasPrefix(start) })
    #expect(table.rows.map(\.subject) == wanted.rows.map(\.variant))
    #expect(
      table.columns == wanted.columns.filter { $0.name != "loss" }.map(\.title) && table.columns.count > 2)
    for (row, own) in zip(table.rows, wanted.rows) {
      for (column, cell) in zip(table.columns, row.cells) {
        let name = wanted.columns.first { $0.title == column }?.name
        let value = try #require(own.cells.first { $0.column == name }?.estimate)
        #expect(cell.mean == value.value && cell.interval == value.interval && cell.n == value.n)
        #expect(cell.n == 3)
      }
    }
  }

  @Test func ablationsInTheReportAreThoseOfTheCommandAlone() throws {
    try folder.write(Self.prompts(300).utf8, to: "prompts.txt")
    let options = ["--model", Command.tinyModel, "--prompts", "prompts.txt", "--steps", "6"]
    let names = ["ablate-representation", "ablate-architecture"]
    let grid = options + ["--features", "16,32", "--k", "2,4"]
    let first = try report(grid + ["--only", names[0]])
    // They learn from recordings of their own.
    #expect(first.parts.filter { $0.state == .done }.map(\.name) == [names[0]])
    #expect(try part(names[1], of: first).state == .notAsked)
    let before = try stamps()
    let found = try report(grid + ["--only"] + names)
    #expect(found.parts.filter { $0.state == .done }.map(\.name) == names)
    #expect(try stamps()["w/report/parts/\(names[0]).json"] == before["w/report/parts/\(names[0]).json"])
    #expect(
      try part(names[0], of: found).notes.first?.hasPrefix(
        "Each trained 3 times on 200 pictures in 6 steps and measured on 100 others;") == true)

    func kept(_ name: String) throws -> Ablated {
      let text = try shell("cat w/results/\(name)-*/ablation.json", in: folder).out
      return try JSON.decode(Ablated.self, from: Data(text.utf8), keys: .convertFromSnakeCase)
    }
    for name in names { try expectEqual(found, name, kept(name)) }
    let outcome = try Command.run(
      ["ablate", "representation", "--size", "64:10"] + options + [
        "--pictures", "200", "--test-pictures", "100", "--measures", "reconstruction", "activity",
        "--workspace",
        "v", "--json", "--quiet",
      ], in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    let alone = try JSON.decode(Ablated.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
    #expect(try alone == kept(names[0]))
    // Other steps are other dictionaries.
    let again = try reproduce(["--force", "--only", names[0]] + grid.map { $0 == "6" ? "5" : $0 })
    #expect(again.status == 0, "\(again.err)")
    let after = try stamps()
    #expect(after["w/report/parts/\(names[0]).json"] != before["w/report/parts/\(names[0]).json"])
  }
}
