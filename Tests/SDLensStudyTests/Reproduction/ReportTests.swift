import Foundation
import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

/// The report of a reproduction: verdicts, and the page.
@Suite struct ReportTests {
  private func column(_ metric: String, _ subject: String, _ column: String, _ mean: Double) -> MeasuredColumn
  {
    MeasuredColumn(metric, subject, column, values: [mean - 0.01, mean, mean + 0.01])
  }

  private func report(
    _ measurements: [MeasuredColumn] = [], omissions: [Fact] = [], exhibits: [Exhibit] = [],
    isShapes: Bool = true,
    parts: [Reproduction.PartState] = []
  ) -> ReproductionReport {
    var findings = PartFindings()
    (findings.measurements, findings.omissions, findings.exhibits) = (measurements, omissions, exhibits)
    return ReproductionReport(
      model: "shapes", modelFingerprint: "0123", isShapes: isShapes, settings: [Fact("seed", "42")],
      parts: parts,
      findings: [findings])
  }

  /// How far pictures move without each block.
  private func impact(_ change: (String) -> Double) -> [MeasuredColumn] {
    let blocks = [
      "down.1.0", "down.1.1", "down.2.0", "down.2.1", "mid.0", "up.0.0", "up.0.1", "up.0.2", "up.1.0",
      "up.1.1", "up.1.2",
    ]
    return blocks.map { column("impact", $0, "change", change($0)) }
  }

  private func claim(_ start: String, in report: ReproductionReport) throws -> ReproductionReport.Judged {
    try #require(report.claims.first { $0.claim.hasPrefix(start) })
  }

  @Test func aClaimIsJudgedByItsFigures() throws {
    let studied = ["down.2.1", "mid.0", "up.0.0", "up.0.1"]
    let start = "leaving out one of the four"
    let held = try claim(start, in: report(impact { studied.contains($0) ? 2 : 1 }))
    #expect(held.verdict == .holds && held.isClear == true && held.figures.map(\.count) == [4, 7])
    let failed = try claim(start, in: report(impact { studied.contains($0) && $0 != "mid.0" ? 2 : 1 }))
    #expect(failed.verdict == .fails && failed.isClear == false)
    let clear = try claim(start, in: report(impact { $0 == "up.1.2" ? 3 : studied.contains($0) ? 2 : 1 }))
    #expect(clear.verdict == .fails && clear.isClear == true)
  }

  @Test func designIsSaidOfShapesAlone() throws {
    let start = "leaving out one of the four"
    #expect(try claim(start, in: report(impact { _ in 1 })).design != nil)
    #expect(try claim(start, in: report(impact { _ in 1 }, isShapes: false)).design == nil)
  }

  @Test func whatLacksIsNamed() throws {
    let impossible = Reproduction.PartState(
      name: "judge", title: "", state: .impossible, notes: ["only the pictures of shapes can be judged"])
    let found = report(omissions: [Fact("specificity", "CLIP is missing")], parts: [impossible])
    #expect(
      found.claims.allSatisfy { $0.verdict == .notMeasurable && $0.figures.isEmpty && $0.isClear == nil })
    #expect(found.claims.allSatisfy { $0.reason?.isEmpty == false })
    #expect(found.claims.map(\.number) == Array(1...found.claims.count))
    #expect(Set(found.claims.map(\.claim)).count == found.claims.count)
    #expect(
      try claim("without up.0.1 most colours", in: found).reason
        == "the part 'judge' is not possible: only the pictures of shapes can be judged")
    #expect(try claim("down.2.1 highest in specificity", in: found).reason == "specificity: CLIP is missing")
    #expect(
      try claim("features of down.2.1 stand for phrases", in: found).reason?.hasPrefix("pictures tell this")
        == true)
  }

  @Test func thePapersFiguresStandBesideOurs() throws {
    let blocks = ["down.2.1", "mid.0", "up.0.0", "up.0.1"]
    let measured = ["k 5, large", "k 10, large", "k 20, large"].flatMap { name in
      blocks.map { MeasuredColumn("explained variance", $0, name, values: [0.9]) }
    }
    let found = try claim(
      "the more features may be active, the more they explain, at mid.0", in: report(measured))
    #expect(found.figures.map { $0.map(\.paper) } == [["0.665"], ["0.588"], ["0.508"]])
    // Equal ones are not larger.
    #expect(found.verdict == .fails)
    let local = try claim(
      "up.0.1 acts locally",
      in: report(
        ["-10", "-5", "5", "10"].flatMap { beta in
          ["inside", "outside"].map { column("locality", "up.0.1", "\(beta) \($0)", $0 == "inside" ? 4 : 2) }
        }))
    #expect(local.verdict == .holds && local.figures[0].map(\.paper) == ["4.66", "4.46", "3.13", "2.85"])
  }

  @Test func thePageEscapesWhatOthersWrote() throws {
    let folder = try TemporaryFolder()
    try PNG.write(
      Picture(width: 3, height: 2, samples: Array(repeating: 200, count: 18)), to: folder("a.png"))
    let foreign = "<script>alert('a & \"b\"')</script>"
    let found = report(
      [MeasuredColumn("position", foreign, foreign, values: [0.5])],
      exhibits: [
        Exhibit(file: "a.png", chapter: .cases, source: foreign, caption: foreign, prompts: [foreign])
      ],
      parts: [Reproduction.PartState(name: foreign, title: foreign, state: .done, notes: [foreign])])
    let page = try ReportPage(found, figures: folder.path).html
    #expect(!page.contains("<script") && !page.contains("alert('a"))
    #expect(
      page.contains(
        "alt=\"&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;\" width=\"3\" height=\"2\""
      ))
    // Nothing from elsewhere.
    let sources = page.matches(of: /(src|href)="([^"]{0,5})/).map { String($0.output.2) }
    #expect(sources.allSatisfy { $0.hasPrefix("data:") || $0.hasPrefix("#") } && sources.contains("data:"))
    #expect(!page.contains("url(") && !page.contains("@import"))
  }

  @Test func thePageShowsNothingButTheReport() throws {
    let found = report(impact { $0 == "mid.0" ? 2 : 1 })
    let page = try ReportPage(found, figures: "").html
    let again = try JSON.decode(ReproductionReport.self, from: Data(JSON.line(found)))
    #expect(again == found)
    #expect(try ReportPage(again, figures: "").html == page)
    #expect(
      page.contains("<tr><th scope=\"row\">mid.0</th><td>2.00</td><td>[1.99, 2.01]</td><td>3</td></tr>"))
  }
}
