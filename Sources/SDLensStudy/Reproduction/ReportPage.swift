import Foundation
import SDLensCore

/// The page of a report: HTML with its style and pictures inside, without script, nothing from a network.
///
/// It shows what `report.json` and the pictures beside it hold, and nothing else.
public struct ReportPage {
  /// Its file.
  public static let fileName = "report.html"

  private let report: ReproductionReport
  private let figures: String

  /// The page of a report, with the folder of its pictures.
  public init(_ report: ReproductionReport, figures: String) {
    (self.report, self.figures) = (report, figures)
  }

  /// The page.
  ///
  /// - Throws: `FileError` when a picture cannot be read.
  public var html: String {
    get throws {
      let title = "“Unpacking SDXL Turbo”, repeated on \(report.model)"
      return """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
        <title>\(HTML.escaped(title))</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <header>
        <h1>\(HTML.escaped(title))</h1>
        \(summary)
        </header>
        \(contents)
        <main>
        \(try report.sections.map(section).joined(separator: "\n"))
        \(appendix)
        </main>
        </body>
        </html>

        """
    }
  }

  // MARK: Head

  private typealias Verdict = ReproductionReport.Verdict

  private func count(_ claims: [ReproductionReport.Judged], _ verdict: Verdict) -> Int {
    claims.count { $0.verdict == verdict }
  }

  private var summary: String {
    let claims = report.claims
    let tiles = [Verdict.holds, .fails, .notMeasurable].map { verdict in
      "<li class=\"\(Self.word(verdict))\"><b>\(count(claims, verdict))</b> "
        + "\(Self.symbol(verdict)) \(verdict == .holds ? "hold" : verdict == .fails ? "do not hold" : verdict.rawValue)</li>"
    }.joined()
    var text =
      "<p>The claims of the paper, one by one, looked for in the model <b>\(HTML.escaped(report.model))</b> "
      + "(\(report.modelFingerprint)) by sdlens \(report.version).</p><ul class=\"tiles\">\(tiles)</ul>"
    if report.isShapes {
      let measured = claims.filter { $0.verdict != .notMeasurable }
      let made = measured.filter { $0.design != nil }
      let found = measured.filter { $0.design == nil }
      text +=
        "<p class=\"note\"><b>What is no finding here.</b> shapes is a small model of a known world. Its training gave "
        + "each of four blocks factors of its own: composition to down.2.1, size to mid.0, shape and texture to up.0.0, "
        + "colour and background to up.0.1. Of the \(measured.count) claims that were measured, \(made.count) are decided by "
        + "that, or by how its captions are made, and are marked “by design” (\(count(made, .holds)) hold); "
        + "\(found.count) are findings (\(count(found, .holds)) hold).</p>"
    }
    return text + "<p class=\"note\"><b>The rule.</b> \(HTML.escaped(report.rule))</p>"
  }

  private var contents: String {
    let lines = report.sections.enumerated().map { index, section in
      let marks =
        section.claims.isEmpty
        ? ""
        : [Verdict.holds, .fails, .notMeasurable].map { verdict in
          "<span class=\"\(Self.word(verdict))\" title=\"\(verdict.rawValue)\">\(Self.symbol(verdict)) "
            + "\(count(section.claims, verdict))</span>"
        }.joined(separator: " ")
      return
        "<li><a href=\"#\(section.chapter.rawValue)\">\(index + 1). \(HTML.escaped(section.chapter.title))</a> "
        + "<span class=\"marks\">\(marks)</span></li>"
    }
    return """
      <nav aria-label="Contents">
      <h2>Contents</h2>
      <ol>
      \(lines.joined(separator: "\n"))
      <li><a href="#all">All claims</a></li>
      <li><a href="#how">How it was made</a></li>
      </ol>
      </nav>
      """
  }

  // MARK: Chapters

  private func section(_ section: ReproductionReport.Section) throws -> String {
    let number = (report.sections.firstIndex { $0.chapter == section.chapter } ?? 0) + 1
    let parts =
      try section.exhibits.map(exhibit) + section.tables.map(table)
      + (section.claims.isEmpty
        ? ["<p>The paper claims nothing of them.</p>"]
        : ["<div class=\"claims\">\n\(section.claims.map(card).joined(separator: "\n"))\n</div>"])
    return """
      <section id="\(section.chapter.rawValue)">
      <h2>\(number). \(HTML.escaped(section.chapter.title))</h2>
      <p class="source">\(HTML.escaped(section.chapter.source))</p>
      <p>\(HTML.escaped(section.chapter.text))</p>
      \(parts.joined(separator: "\n"))
      </section>
      """
  }

  private func exhibit(_ exhibit: Exhibit) throws -> String {
    let bytes = try MappedFile(path: "\(figures)/\(exhibit.file)").withBytes { Data($0) }
    // Width and height stand in the header of a PNG, each as four bytes.
    func number(at place: Int) -> Int {
      bytes.count < place + 4 ? 0 : bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    let (width, height) = (number(at: 16), number(at: 20))
    let prompts =
      exhibit.prompts.isEmpty
      ? ""
      : "<details><summary>Its prompts</summary><pre>\(HTML.escaped(exhibit.prompts.joined(separator: "\n")))</pre></details>"
    return """
      <figure>
      <div class="scroll"><img alt="\(HTML.escaped(exhibit.caption))" width="\(width)" height="\(height)" style="min-width:min(\(width)px,40rem)" src="data:image/png;base64,\(bytes.base64EncodedString())"></div>
      <figcaption><b>\(HTML.escaped(exhibit.source))</b> \(HTML.escaped(exhibit.caption)) <span class="file">figures/\(HTML.escaped(exhibit.file))</span>\(prompts)</figcaption>
      </figure>
      """
  }

  private func table(_ table: ReproductionReport.Table) -> String {
    let hasPaper = table.rows.contains { $0.cells.contains { $0.paper != nil } }
    func number(_ value: Double) -> String { String(format: "%.\(table.decimals)f", value) }
    func cell(_ cell: ReproductionReport.Cell) -> String {
      guard let mean = cell.mean else { return "<td>–</td>" }
      let spread = cell.deviation.map { " (\(number($0)))" } ?? ""
      let ends = cell.interval.map { " <small>[\($0.map(number).joined(separator: ", "))]</small>" } ?? ""
      let paper = cell.paper.map { "<br><i>\(HTML.escaped($0))</i>" } ?? ""
      return "<td>\(number(mean))\(spread)\(ends) <small>n \(cell.n)</small>\(paper)</td>"
    }
    let head = table.columns.map { "<th scope=\"col\">\(HTML.escaped($0))</th>" }.joined()
    let rows = table.rows.map {
      "<tr><th scope=\"row\">\(HTML.escaped($0.subject))</th>\($0.cells.map(cell).joined())</tr>"
    }
    let note = "mean (deviation) [95 % interval] n" + (hasPaper ? "; below it, in italics, the paper" : "")
    return """
      <div class="scroll"><table>
      <caption><span>\(HTML.escaped(table.title)) <small>\(note)</small></span></caption>
      <thead><tr><th></th>\(head)</tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody></table></div>
      """
  }

  // MARK: Claims

  private func card(_ claim: ReproductionReport.Judged) -> String {
    let certainty = claim.isClear.map { $0 ? "clear" : "within chance" }
    let verdict = [claim.verdict.rawValue, certainty].compactMap(\.self).joined(separator: ", ")
    let origin =
      report.isShapes && claim.verdict != .notMeasurable
      ? "<span class=\"badge\">\(claim.design == nil ? "a finding" : "by design")</span>" : ""
    var parts = [
      "<h3><a href=\"#claim-\(claim.number)\">\(claim.number)</a> \(HTML.escaped(claim.claim))</h3>",
      "<p class=\"verdict\"><b>\(Self.symbol(claim.verdict)) \(verdict)</b> "
        + "<span class=\"source\">\(HTML.escaped(claim.source))</span> \(origin)</p>",
    ]
    if !claim.figures.isEmpty { parts.append(figures(of: claim)) }
    if let reason = claim.reason { parts.append("<p>\(HTML.escaped(reason))</p>") }
    if let design = claim.design {
      parts.append("<p class=\"design\">On shapes: \(HTML.escaped(design)).</p>")
    }
    return "<article class=\"claim \(Self.word(claim.verdict))\" id=\"claim-\(claim.number)\">\n"
      + parts.joined(separator: "\n") + "\n</article>"
  }

  /// A line for each figure; between groups, that those above are said to be larger.
  private func figures(of claim: ReproductionReport.Judged) -> String {
    let hasPaper = claim.figures.joined().contains { $0.paper != nil }
    func line(_ figure: PaperClaim.Finding.Figure) -> String {
      let isNumber = figure.label.isEmpty && figure.estimate.n == 0
      let ends = figure.estimate.interval.map { "[\($0.map(Self.short).joined(separator: ", "))]" } ?? ""
      return "<tr><th scope=\"row\">\(isNumber ? "the number" : HTML.escaped(figure.label))</th>"
        + "<td>\(Self.short(figure.estimate.value))</td><td>\(ends)</td><td>\(isNumber ? "" : "\(figure.estimate.n)")</td>"
        + (hasPaper ? "<td><i>\(HTML.escaped(figure.paper ?? ""))</i></td>" : "") + "</tr>"
    }
    let width = hasPaper ? 5 : 4
    let groups = claim.figures.map { $0.map(line).joined(separator: "\n") }
    return """
      <table class="figures">
      <thead><tr><th></th><th scope="col">ours</th><th scope="col">95 %</th><th scope="col">n</th>\(hasPaper ? "<th scope=\"col\">paper</th>" : "")</tr></thead>
      <tbody>
      \(groups.joined(separator: "\n<tr class=\"than\"><td colspan=\"\(width)\">larger than</td></tr>\n"))
      </tbody></table>
      """
  }

  /// Three digits, or all before the point.
  private static func short(_ value: Double) -> String {
    let size = abs(value)
    return String(format: size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f", value)
  }

  private static func word(_ verdict: Verdict) -> String {
    switch verdict {
    case .holds: "holds"
    case .fails: "fails"
    case .notMeasurable: "open"
    }
  }

  private static func symbol(_ verdict: Verdict) -> String {
    switch verdict {
    case .holds: "✓"
    case .fails: "✗"
    case .notMeasurable: "–"
    }
  }

  // MARK: End

  private var appendix: String {
    let claims = report.claims.map { claim in
      "<tr class=\"\(Self.word(claim.verdict))\"><td><a href=\"#claim-\(claim.number)\">\(claim.number)</a></td>"
        + "<td>\(HTML.escaped(claim.claim))</td><td>\(HTML.escaped(claim.source))</td>"
        + "<td class=\"word\">\(Self.symbol(claim.verdict)) \(claim.verdict.rawValue)</td></tr>"
    }
    let parts = report.parts.map { part in
      "<tr><th scope=\"row\">\(HTML.escaped(part.name))</th><td>\(HTML.escaped(part.title))</td>"
        + "<td>\(part.state.rawValue)\(part.notes.map { "<br>\(HTML.escaped($0))" }.joined())</td></tr>"
    }
    let settings = report.settings.map {
      "<tr><th scope=\"row\">\(HTML.escaped($0.name))</th><td>\(HTML.escaped($0.value))</td></tr>"
    }
    return """
      <section id="all">
      <h2>All claims</h2>
      <div class="scroll"><table class="list">
      <thead><tr><th></th><th scope="col">claim</th><th scope="col">paper</th><th scope="col">verdict</th></tr></thead>
      <tbody>
      \(claims.joined(separator: "\n"))
      </tbody></table></div>
      </section>
      <section id="how">
      <h2>How it was made</h2>
      <p>All figures stand in report.json beside this page, all pictures in its folder figures.</p>
      <div class="scroll"><table class="list"><caption>Parts</caption><tbody>
      \(parts.joined(separator: "\n"))
      </tbody></table></div>
      <div class="scroll"><table class="list"><caption>Settings</caption><tbody>
      \(settings.joined(separator: "\n"))
      </tbody></table></div>
      </section>
      """
  }
}
