extension ReproductionReport {
  /// How many claims hold, chapter by chapter.
  public var summary: String {
    func row(_ title: String, _ claims: [Judged]) -> [String] {
      let verdicts: [Verdict] = [.holds, .fails, .notMeasurable]
      return [title] + verdicts.map { verdict in "\(claims.count { $0.verdict == verdict })" }
    }
    let head = [["Claims of the paper", "hold", "do not", "not measurable"]]
    return SDLensStudy.Table(
      left: [0], head + sections.map { row($0.title, $0.claims) } + [row("all", claims)]
    ).text
  }
}
