import Foundation
import SDLensTestSupport
import Testing

/// `reproduce` on the small model: the same report however often it was stopped, and what it refuses.
@Suite struct ReproduceTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<24).map { "a <b>house</b> with \"\($0)\" & more windows" }
    try folder.write(prompts.joined(separator: "\n").utf8, to: "prompts.txt")
  }

  private static let options = [
    "--model", Command.tinyModel, "--prompts", "prompts.txt", "--features", "16,32", "--k", "2,4", "--steps",
    "130",
    "--measured", "2", "--pictures", "2", "--quiet", "--threads", "2",
  ]

  /// Enough of the parts to be stopped in.
  private static let parts = ["--only", "tables", "impact", "figure-3", "figure-4"]

  private func run(_ arguments: String...) throws -> Outcome { try run(arguments, workspace: "w") }

  private func run(_ arguments: [String], workspace: String) throws -> Outcome {
    try Command.run(["reproduce"] + Self.options + ["--workspace", workspace] + arguments, in: folder)
  }

  /// Starts the command and kills it as soon as a file is there.
  private func kill(when file: String, workspace: String) throws -> Outcome {
    let words = (["reproduce"] + Self.options + ["--workspace", workspace] + Self.parts).map { "'\($0)'" }
      .joined(separator: " ")
    return try shell(
      """
      '\(Command.program)' \(words) & pid=$!
      until [ -e \(workspace)/\(file) ] || ! [ -d /proc/$pid ]; do sleep .01; done
      kill -9 $pid; wait $pid
      """, in: folder)
  }

  @Test func theReportIsTheSameAfterKills() throws {
    let whole = try run(Self.parts, workspace: "w")
    #expect(whole.status == 0 && whole.err == "", "\(whole)")
    #expect(whole.out.hasPrefix("Claims of the paper") && whole.out.hasSuffix("\nw/report/report.html\n"))
    // In the middle of a training, then while it measures; a kill gives 128 + 9.
    #expect(
      try kill(when: "training/down.2.1", workspace: "v").status == 137)
    #expect(try kill(when: "report/parts/impact.json", workspace: "v").status == 137)
    #expect(!FileManager.default.fileExists(atPath: folder("v/report/report.html")))
    let last = try run(Self.parts, workspace: "v")
    #expect(last.status == 0, "\(last)")
    let same = try shell("diff -r -x run.json w/report v/report", in: folder)
    #expect(same.status == 0, "\(same.out)")

    let page = try String(contentsOfFile: folder("w/report/report.html"), encoding: .utf8)
    #expect(page.contains("a &lt;b&gt;house&lt;/b&gt; with &quot;") && !page.contains("<b>house"))
    #expect(page.matches(of: /<img\s/).count == page.matches(of: /src="data:image\/png;base64,/).count)

    // Again: nothing is done twice, and one part alone is done when its result is gone.
    let stamps = "stat -c '%n %Y' w/report/parts/*.json w/saes/*/*/sae.json | sort"
    let before = try shell(stamps, in: folder).out
    #expect(try shell("sleep 1.1", in: folder).status == 0)
    #expect(try run(Self.parts, workspace: "w").out == whole.out)
    #expect(try shell(stamps, in: folder).out == before)
    for harm in [
      "rm figures/figure-3.png", "truncate -s 1000 figures/figure-3.png",
      #"sed -i 's/"caption" : "/&X/' parts/figure-3.json"#,
    ] {
      #expect(try shell("cd w/report && \(harm)", in: folder).status == 0)
      #expect(try shell("diff -r -x run.json w/report v/report", in: folder).status == 1, "\(harm)")
      #expect(try run("--only", "figure-3").out == whole.out)
      #expect(try shell("diff -r -x run.json w/report v/report", in: folder).status == 0, "\(harm)")
    }

    // What is damaged is named, and the report stays.
    for (damage, repair, message) in [
      (
        "for d in w/saes/mid.0/*/; do echo x > $d/captions.jsonl; done", "rm w/saes/mid.0/*/captions.jsonl",
        "/captions.jsonl' line 1 must be like "
      ),
      (
        "cp -r w/activations kept; truncate -s 5000 w/activations/*/shard-00000.safetensors",
        "rm -r w/activations; mv kept w/activations", "/shard-00000.safetensors' is no shard ("
      ),
    ] {
      #expect(try shell(damage, in: folder).status == 0)
      let damaged = try run(Self.parts, workspace: "w")
      #expect(damaged.status == 1 && damaged.err.contains(message), "\(damaged)")
      #expect(try shell("diff -r -x run.json w/report v/report", in: folder).status == 0)
      #expect(try shell(repair, in: folder).status == 0)
      #expect(try run(Self.parts, workspace: "w").out == whole.out)
    }

    #expect(try shell("echo { > w/report/reproduction.json", in: folder).status == 0)
    let unreadable = try run(Self.parts, workspace: "w")
    #expect(unreadable.status == 1)
    #expect(
      unreadable.err.hasSuffix("; --force writes it again, and what is done of these settings stays\n"),
      "\(unreadable.err)")
    #expect(try run(Self.parts + ["--force"], workspace: "w").out == whole.out)
    #expect(try shell("diff -r -x run.json w/report v/report", in: folder).status == 0)

    // Other settings do not mix with these.
    let other = try run("--seed", "43")
    #expect(
      other.err
        == "Error: 'w/report' is the report of another seed: 42, but it is 43 now; name another folder with --output, or "
        + "go on with the new one there with --force\n")
    #expect(other.status == 1)
    #expect(try shell("diff -r -x run.json w/report v/report", in: folder).status == 0)
    #expect(try run("--seed", "43", "--force", "--only", "record").status == 0)
  }

  @Test func anUnknownPartIsNamed() throws {
    let outcome = try run("--only", "tabels")
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: there is no part 'tabels'; --only takes some of: record, train, annotate, tables, impact, truth, judge, "
        + "figure-3, figure-4, figure-1, figure-6a, figure-6b, figure-6c, figure-6d, figure-9, figure-10, figure-11, "
        + "ablate-representation, ablate-architecture\n")
    #expect(!FileManager.default.fileExists(atPath: folder("w")))
  }

  @Test func anEstimateWritesNothing() throws {
    struct Estimate: Decodable {
      struct Part: Decodable {
        let name: String
        let seconds: Double
        let bytes: Int
      }
      let parts: [Part]
      let seconds: Double
      let bytes, free: Int
    }
    let outcome = try run("--estimate", "--json", "--only", "train", "figure-3")
    #expect(outcome.status == 0, "\(outcome)")
    let found = try JSONDecoder().decode(Estimate.self, from: Data(outcome.out.utf8))
    #expect(found.parts.map(\.name) == ["record", "train", "figure-3"])
    #expect(found.parts.allSatisfy { $0.seconds > 0 && $0.bytes > 0 })
    #expect(abs(found.parts.reduce(0) { $0 + $1.seconds } - found.seconds) < 1e-9 && found.free > found.bytes)
    #expect(!FileManager.default.fileExists(atPath: folder("w")))
  }

  @Test func aFolderOfSomethingElseIsRefused() throws {
    try folder.write("a letter".utf8, to: "mine/letter.txt")
    let used = try run("--output", "mine", "--only", "record")
    #expect(
      used.err
        == "Error: 'mine' holds other files and no reproduction.json; choose an empty or a new folder\n")
    let file = try run("--output", "prompts.txt", "--only", "record")
    #expect(file.status == 1 && file.err.contains("'prompts.txt"), "\(file)")
    #expect(try shell("find mine w", in: folder).out == "mine\nmine/letter.txt\n")
  }

  @Test func sizesMustTakeTheActiveFeatures() throws {
    let outcome = try run("--k", "20")
    #expect(
      outcome.err.hasPrefix("Error: features is 16, but it must be at least 20, the largest k\n")
        && outcome.status == 64)
    let huge = try run("--features", "\(Int.max)", "--only", "train")
    #expect(
      huge.err.hasPrefix("Error: features is \(Int.max), but it must be from 1 to 16777216\n")
        && huge.status == 64,
      "\(huge)")
  }

  @Test(.enabled(if: canMount)) func whatHasNoRoomIsNotBegun() throws {
    try folder.write([], to: "disk/.nothing")
    let words = (["reproduce"] + Self.options + ["--workspace", "disk/w"]).map { "'\($0)'" }.joined(
      separator: " ")
    let outcome = try shell(
      "\(mount(kilobytes: 64)) && '\(Command.program)' \(words); echo $?; ls disk", in: folder)
    #expect(outcome.out == "1\n", "\(outcome)")
    #expect(
      outcome.err.hasPrefix("Error: the reproduction will write about ")
        && outcome.err.contains("but 65.5 kB are free where 'disk/w' lies; choose fewer prompts with --limit"),
      "\(outcome.err)")
  }
}
