import SDLensCore
import SDLensDiffusion
import SDLensShapes

/// What the pictures of `shapes` lose when the update of one block is removed, `D_out = D_in`.
public enum BlockAblation {
  /// What the judge found in one picture.
  public struct Finding: Sendable, Codable, Equatable {
    /// For each factor the answers that are right, and all answers; see `ShapesVerdict.right`.
    public let right: [String: [Int]]
    /// The mean absolute difference of its samples (0…1) to the picture without edits.
    public let change: Double

    init(_ verdict: ShapesVerdict, _ scene: ShapesScene, change: Double) {
      right = Dictionary(
        uniqueKeysWithValues: verdict.right(for: scene).map { ($0.rawValue, [$1.count { $0 }, $1.count]) })
      self.change = change
    }
  }

  /// What came of one prompt.
  public struct PromptResult: Sendable, Codable, Equatable {
    /// The picture without edits.
    public let unedited: Finding
    /// Without the update of a block, in the order of the blocks.
    public let blocks: [Finding]
    /// The difference between the pictures of the prompt and of the empty prompt, from the same noise.
    public let emptyChange: Double
  }

  /// Runs and judges a prompt.
  ///
  /// - Throws: as `Pipeline.sample`.
  public static func measure(_ index: Int, of prompts: JudgedPrompts, at blocks: [BlockName]) throws
    -> PromptResult
  {
    let run = try prompts.run(index, watching: blocks)
    let traces = try blocks.map { try run.run(EditList([Edit(.ablate, at: $0)])) }
    let pictures = try ([run.trace] + traces).map { try prompts.pipeline.picture($0.latents) }
    let findings = pictures.map { picture in
      Finding(
        prompts.judge(picture)[0], prompts.scenes[index], change: PixelChange.mean(pictures[0], picture))
    }
    return PromptResult(
      unedited: findings[0], blocks: Array(findings.dropFirst()),
      emptyChange: PixelChange.mean(pictures[0], try prompts.emptyPicture(index)))
  }

  /// What came of all prompts, for the run without edits or one block: shares and ratios over prompts.
  public struct Row: Sendable, Codable, Equatable {
    /// The block; nil of the run without edits.
    public let block: String?
    /// For each factor the share of right answers; without those that were never asked.
    public let accuracy: [String: Estimate]
    /// The change of the pictures, relative to the change between prompt and empty prompt; nil of the run without
    /// edits.
    public let change: Estimate?
  }

  /// The factors, in the order of tables.
  public static let factors: [ShapesWorld.Factor] = [.place, .shape, .colour, .size, .texture, .background]

  /// Sums up prompts that were measured without the same blocks: the run without edits, then each block.
  public static func summary(_ results: [PromptResult], blocks: [BlockName]) -> [Row] {
    func row(_ block: BlockName?, _ finding: (PromptResult) -> Finding) -> Row {
      let accuracy = factors.compactMap { factor in
        Estimate(
          ratioOf: results.map { result in
            // (What is kept of an earlier run may have been damaged.)
            let counts =
              finding(result).right[factor.rawValue].flatMap { $0.count == 2 ? $0 : nil } ?? [0, 0]
            return (part: Double(counts[0]), whole: Double(counts[1]))
          }
        ).map { (factor.rawValue, $0) }
      }
      let change = Estimate(
        ratioOf: results.map { (part: finding($0).change, whole: $0.emptyChange) })
      return Row(
        block: block?.description, accuracy: Dictionary(uniqueKeysWithValues: accuracy),
        change: block == nil ? nil : change)
    }
    return [row(nil, \.unedited)]
      + blocks.enumerated().map { index, block in row(block) { $0.blocks[index] } }
  }
}
