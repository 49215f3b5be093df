import SDLensStudy
import Testing

/// What the paper says of which is larger, looked for in measurements.
@Suite struct PaperClaimTests {
  private static let blocks = ["down.2.1", "mid.0", "up.0.0", "up.0.1"]

  private func columns(_ metric: String, _ values: [String: Double], column: String? = nil)
    -> [MeasuredColumn]
  {
    values.map { subject, mean in
      MeasuredColumn(metric, subject, column ?? metric, values: [mean - 0.01, mean, mean + 0.01])
    }
  }

  /// The paper's own tables.
  private func paper() -> [MeasuredColumn] {
    func row(_ values: [Double]) -> [String: Double] {
      Dictionary(uniqueKeysWithValues: zip(Self.blocks, values))
    }
    var all = columns("specificity", row([0.71, 0.62, 0.66, 0.65]))
    all += columns("specificity", ["random": 0.5, "same prompt": 0.89])
    all +=
      columns("texture", row([0.16, 0.14, 0.18, 0.20]))
      + columns("texture", ["random": 0.13, "textures": 0.18])
    all += columns("color", row([86.2, 84.7, 86.3, 73.8])) + columns("color", ["random": 90.7])
    let inside = [
      [148.2, 124.2, 101.4, 128.9], [69.2, 39.4, 33.2, 59.9], [105.3, 77.7, 63.6, 88.6],
      [125, 73.1, 68.6, 98.9],
    ]
    let outside = [
      [116, 94.4, 78.7, 105.6], [32.2, 18.5, 15.2, 29.82], [38.4, 23.7, 23.3, 37.08],
      [26.8, 16.4, 21.9, 34.74],
    ]
    for (index, strength) in ["-10", "-5", "5", "10"].enumerated() {
      all += columns("locality", row(inside.map { $0[index] }), column: "\(strength) inside")
      all += columns("locality", row(outside.map { $0[index] }), column: "\(strength) outside")
    }
    all += columns("interpretability", ["down.2.1": 0.21, "random": 0.12, "from the caption": 0.25])
    all += columns("causality", ["down.2.1": 0.19])
    for (area, (own, random)) in [
      "over 0 %": (0.6, 0.06), "over 10 %": (0.4, 0.003), "over 30 %": (0.27, 0.001),
    ] {
      all += columns("sensitivity", ["down.2.1": own, "random at down.2.1": random], column: area)
    }
    all += columns("reconstruction", row([64.97, 44.02, 42.08, 39.77]), column: "mean")
    all += columns("reconstruction", row([34.77, 21.72, 21.54, 24.84]), column: "median")
    all += columns("reconstruction", row([0.2582, 0.1627, 0.1624, 0.1453]), column: "LPIPS")
    all += columns("reconstruction", row([0.737, 0.588, 0.642, 0.671]), column: "explained variance")
    all += columns("position", row([0.979, 0.985, 0.994, 0.956]), column: "both")
    return all
  }

  @Test func thePapersOwnFiguresBearThemOut() {
    let findings = PaperClaim.findings(in: paper())
    #expect(findings.count == PaperClaim.all.count)
    for finding in findings { #expect(finding.holds, "\(finding.text)") }
    #expect(Set(findings.map(\.claim)).count == findings.count)
  }

  private func finding(_ claim: String, _ measured: [MeasuredColumn]) throws -> PaperClaim.Finding {
    try #require(PaperClaim.findings(in: measured).first { $0.claim.hasPrefix(claim) })
  }

  @Test func whatIsOtherwiseFails() throws {
    let measured = columns("texture", ["down.2.1": 0.21, "mid.0": 0.22, "up.0.0": 0.23, "up.0.1": 0.19])
    let found = try finding("up.0.1 highest in texture", measured)
    #expect(!found.holds && found.isClear == true)
    #expect(found.figures.map { $0.map(\.label) } == [["up.0.1"], ["down.2.1", "mid.0", "up.0.0"]])
    #expect(found.figures[0][0].estimate.n == 3 && found.figures[0][0].estimate.interval?.count == 2)
    #expect(
      found.text
        == "fails  Table 1a: up.0.1 highest in texture: up.0.1 0.19 > down.2.1 0.21, mid.0 0.22, up.0.0 0.23")
  }

  @Test func overlappingIntervalsAreSaid() throws {
    let measured = columns("color", ["down.2.1": 0.211, "mid.0": 0.215, "up.0.0": 0.218, "up.0.1": 0.21])
    let found = try finding("up.0.1 lowest in colour spread", measured)
    #expect(found.holds && found.isClear == false && found.text.hasSuffix("(intervals overlap)"))
  }

  @Test func oneMeasurementIsNotClear() throws {
    let measured = ["down.2.1": 133.0, "mid.0": 100, "up.0.0": 124, "up.0.1": 66].map {
      MeasuredColumn("color", $0, "color", values: [$1])
    }
    let found = try finding("up.0.1 lowest in colour spread", measured)
    #expect(found.holds && found.isClear == nil && found.text.hasSuffix("(without intervals)"))
  }

  @Test func ratiosAreOfAllFeaturesTogether() throws {
    var measured: [MeasuredColumn] = []
    for strength in ["-10", "-5", "5", "10"] {
      measured.append(MeasuredColumn("locality", "up.0.0", "\(strength) inside", values: [30, 10]))
      measured.append(MeasuredColumn("locality", "up.0.0", "\(strength) outside", values: [5, 15]))
    }
    let found = try finding("up.0.0 acts locally", measured)
    #expect(found.holds && found.figures[0].map(\.estimate.value) == [2, 2, 2, 2])
    // One feature is more, the other less.
    #expect(found.isClear == false && found.figures[0][0].estimate.interval?[0] == 10 / 15.0)
  }

  @Test func whatWasNotMeasuredIsNotJudged() {
    #expect(PaperClaim.findings(in: []).isEmpty)
    let two = columns("specificity", ["down.2.1": 0.3, "up.0.1": 0.4, "random": 0.2])
    // Each block can be compared with chance, but who is highest only among all.
    #expect(
      PaperClaim.findings(in: two).map(\.claim) == [
        "features of every block specific beyond chance"
      ])
    let none = [MeasuredColumn("specificity", "down.2.1", "specificity", values: [])]
    #expect(PaperClaim.findings(in: none + columns("specificity", ["random": 0.2])).isEmpty)
  }
}
