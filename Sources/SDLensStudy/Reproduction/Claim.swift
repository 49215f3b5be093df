/// What the paper says, in our words, and where it is looked for.
public struct Claim: Sendable {
  /// Where in the report it stands.
  let chapter: Chapter
  /// What it says, and the figures that tell whether it holds.
  let claim: PaperClaim
  /// Why no figure can tell; nil of one that is measured.
  let reason: String?

  private init(_ chapter: Chapter, _ claim: PaperClaim, reason: String? = nil) {
    (self.chapter, self.claim, self.reason) = (chapter, claim, reason)
  }

  /// One that pictures must tell.
  private static func seen(_ chapter: Chapter, _ source: String, _ text: String) -> Claim {
    Claim(
      chapter, PaperClaim(source, text, []),
      reason: "pictures tell this, and no figure of the paper does; look at those beside it")
  }

  /// How a verdict is found.
  static let rule =
    "A claim says that some figures are larger than others. It holds if all means of ours are ordered so, and does not "
    + "if any is not. The verdict is clear where the 95 % intervals of what is compared lie apart (where it does not hold: "
    + "of one pair that is the other way round), and within chance where they overlap. It is not measurable where a "
    + "figure lacks; then it is said which. Figures of the paper are of SDXL-Turbo, whatever the model here."

  // MARK: The list

  private typealias Term = PaperClaim.Term

  private static let own = "only four blocks of it read the prompt, and each was given factors of its own"

  private static let blocks: [Claim] = {
    let studied = PaperClaim.blocks
    func impact(_ block: String) -> Term { Term(ImpactPart.metric, block, "change") }
    let others = ["down.1.0", "down.1.1", "down.2.0", "up.0.2", "up.1.0", "up.1.1", "up.1.2"]
    let claims: [PaperClaim] = [
      PaperClaim(
        "App. C, Fig. 3",
        "leaving out one of the four studied blocks changes pictures more than leaving out any other",
        [studied.map(impact), others.map(impact)], design: own),
      PaperClaim(
        "App. C, Fig. 3", "of the four, down.2.1 and up.0.1 stand out",
        [["down.2.1", "up.0.1"].map(impact), ["mid.0", "up.0.0"].map(impact)], design: own),
      PaperClaim(
        "App. C, Fig. 3", "without up.0.1 most colours are lost: right answers on colour",
        [
          [Term(JudgePart.metric, "mid.0", "colour", label: "without mid.0")],
          [Term(JudgePart.metric, "up.0.1", "colour", label: "without up.0.1")],
        ], design: own),
      PaperClaim(
        "App. C, Fig. 3", "without down.2.1 the composition is lost: right answers on places",
        [
          ["mid.0", "up.0.1"].map { Term(JudgePart.metric, $0, "place", label: "without \($0)") },
          [Term(JudgePart.metric, "down.2.1", "place", label: "without down.2.1")],
        ], design: own),
      PaperClaim(
        "App. C, Fig. 3", "without up.0.0 the composition stays: right answers on places above .9",
        [[Term(JudgePart.metric, "up.0.0", "place", label: "without up.0.0")], [Term(0.9)]],
        design: "a picture without any shape from up.0.0 has no object there"),
    ]
    return claims.map { Claim(.blocks, $0) }
  }()

  private static let training: [Claim] = {
    func variance(_ block: String, _ k: Int, isLarge: Bool) -> Term {
      let column = PaperValues.column(k: k, isLarge: isLarge)
      return Term(TrainingPart.variance, block, column, label: column)
    }
    let perBlock = PaperClaim.blocks.flatMap { block -> [PaperClaim] in
      [
        PaperClaim(
          "Table 2", "the more features may be active, the more they explain, at \(block)",
          [20, 10, 5].map { [variance(block, $0, isLarge: true)] }),
        PaperClaim(
          "Table 2", "a larger dictionary explains more, at \(block)",
          [true, false].map { [variance(block, 10, isLarge: $0)] }),
        PaperClaim(
          "App. D, Fig. 4",
          "a reconstruction in place of the update changes pictures less than no update, at \(block)",
          [
            [Term(ImpactPart.metric, block, "change", label: "left out")],
            [Term("reconstruction", block, "mean", label: "reconstructed")],
          ]),
      ]
    }
    let column = PaperValues.column(k: 10, isLarge: true)
    let dead = PaperClaim(
      "App. A and D", "after training no feature is dead: less than one in a thousand is never active",
      [[Term(0.001)], PaperClaim.blocks.map { Term(TrainingPart.dead, $0, column) }], isOfEach: true)
    return ([dead] + perBlock).map { Claim(.training, $0) }
  }()

  private static let cases: [Claim] = {
    func alone(_ block: String) -> Term { Term(AloneMetric.name, block) }
    return [
      Claim(
        .cases,
        PaperClaim(
          "Sec. 4.2 and 4.3",
          "features of mid.0 alone hardly change the picture of the empty prompt, least of all blocks",
          [["down.2.1", "up.0.0", "up.0.1"].map(alone), [alone("mid.0")]],
          design: "mid.0 decides nothing but the size of objects there")),
      Claim(
        .cases,
        PaperClaim(
          "Sec. 4.2, 4.3 and 7",
          "alone, features of down.2.1 and up.0.1 do more than those of mid.0 and up.0.0",
          [["down.2.1", "up.0.1"].map(alone), ["mid.0", "up.0.0"].map(alone)], design: own)),
      Claim(
        .cases,
        PaperClaim(
          "Footnote 4",
          "position is told from the input of every block, both row and column more often than .9",
          [PaperClaim.blocks.map { Term("position", $0, "both") }, [Term(0.9)]], isOfEach: true)),
      .seen(.cases, "Sec. 4.2, Fig. 1 and 5", "features of down.2.1 stand for phrases of the prompt"),
      .seen(
        .cases, "Sec. 4.2, Fig. 1 and 5",
        "at up.0.1, taking a feature away and strengthening it are counterparts, as blue and orange"),
      .seen(
        .cases, "Sec. 4.1",
        "to act, a feature must be modulated far beyond what occurs: β well above 1 or below −1"),
      .seen(
        .cases, "Sec. 4.3, Fig. 8",
        "features of style at down.2.1 change whole pictures, those at up.0.1 single aspects"),
      .seen(
        .cases, "App. F, Fig. 9 and 10",
        "features act on prompts that they do not come from, those of up.0.1 best on areas"),
    ]
  }()

  private static let roles: [Claim] = {
    func told(_ factor: String, _ block: String) -> Term {
      Term(TruthPart.dictionary, block, factor, label: block)
    }
    let carried = [
      ("place", "down.2.1", "decides the composition"),
      ("size", "mid.0", "holds what is low-level and spatial"),
      ("shape", "up.0.0", "adds local details"), ("texture", "up.0.0", "adds local details"),
      ("colour", "up.0.1", "fills in colour"), ("background", "up.0.1", "fills in colour"),
    ]
    let best = carried.map { factor, block, role -> PaperClaim in
      PaperClaim(
        "Sec. 4.3 and 7", "\(block) \(role): its best features tell \(factor) better than any other block's",
        [[told(factor, block)], PaperClaim.blocks.filter { $0 != block }.map { told(factor, $0) }],
        design: own)
    }
    let above = carried.map { factor, block, _ -> PaperClaim in
      PaperClaim(
        "Sec. 1 and 5.2",
        "features stand for single things: at \(block) the best tells \(factor) better than the best of as many random directions",
        [
          [Term(TruthPart.dictionary, block, factor, label: "feature")],
          [Term(TruthPart.random, block, factor, label: "random direction")],
        ])
    }
    return (best + above).map { Claim(.roles, $0) }
  }()

  /// All of them.
  static let all: [Claim] = [blocks, training, cases, roles, tables, captions].flatMap(\.self)

  private static let tables: [Claim] = PaperClaim.all.map { Claim(Chapter(of: $0.source), $0) }

  private static let captions: [Claim] = [
    .seen(
      .captions, "Sec. 5.1",
      "captions by a language model serve for down.2.1, and not for blocks with subtler effects")
  ]
}
