import SDLensCore
import SDLensDiffusion
import SDLensShapes

/// The runs of both prompts of a swap, with what the judge says of their pictures.
struct SwapRuns: Sendable {
  /// What is swapped.
  let swap: ValueSwap
  /// For each side the run that edits begin from: the prompt without the value is to get it, the other to lose it.
  let runs: [SteeringMethod.Side: BaseRun]
  /// The places that the changed object covers where it has the value; of a background those that no object covers.
  let places: PlaceMask
  private let block: BlockName
  private let pictures: [SteeringMethod.Side: Tensor]
  private let verdicts: [SteeringMethod.Side: ShapesVerdict]
  private let mask: [Float]

  /// Runs both; nil where the judge is not sure of both, or where the object covers no place.
  ///
  /// - Throws: as `Pipeline.sample`.
  init?(_ swap: ValueSwap, at block: BlockName, of prompts: JudgedPrompts) throws {
    let made = try Parallel.results(2) { side in
      let run = try prompts.run(side == 0 ? swap.without : swap.with, noiseOf: swap.index, watching: block)
      let picture = try prompts.pipeline.picture(run.trace.latents)
      return (run: run, picture: picture, verdict: prompts.judge(picture)[0])
    }
    func both<Value>(_ part: ((run: BaseRun, picture: Tensor, verdict: ShapesVerdict)) -> Value)
      -> [SteeringMethod.Side: Value]
    { [.on: part(made[0]), .off: part(made[1])] }
    (self.swap, self.block) = (swap, block)
    (runs, pictures, verdicts) = (both(\.run), both(\.picture), both(\.verdict))
    guard let update = made[1].run.update(of: block) else { preconditionFailure("\(block) is watched") }
    let shifts = ShapesShifts(seed: prompts.settings(of: swap.index).seed)
    let masks = [swap.without, swap.with].map { ShapesMasks($0, shifts) }
    let (height, width) = (update.shape[1], update.shape[2])
    let shares = masks[1].shares(side: height)
    let isBackground = swap.value.factor == .background
    let covered = (0..<height * width).map { place -> Float in
      let has =
        isBackground
        ? shares.allSatisfy { $0[place] < ShapesTruth.cover } : shares[0][place] >= ShapesTruth.cover
      return has ? 1 : 0
    }
    guard let places = try? PlaceMask(height: height, width: width, values: covered) else { return nil }
    self.places = places
    mask = masks[0].objects[0].indices.map { pixel in
      isBackground
        ? 1 - masks[1].objects.reduce(0) { $0 + $1[pixel] }
        : max(masks[0].objects[0][pixel], masks[1].objects[0][pixel])
    }
    guard before(.on) <= 0.1, before(.off) >= 0.9 else { return nil }
  }

  /// How likely the value is without an edit.
  func before(_ side: SteeringMethod.Side) -> Double { verdicts[side].map(swap.probability) ?? .nan }

  /// What the block adds, [places, width], without and with the value.
  var updates: (without: Tensor, with: Tensor) {
    let both = [SteeringMethod.Side.on, .off].compactMap { runs[$0]?.update(of: block) }
    precondition(both.count == 2, "\(block) is watched")
    return (
      both[0].reshaped([both[0].rows, both[0].width]), both[1].reshaped([both[1].rows, both[1].width])
    )
  }

  /// The caption of the run that is not edited, and the run as a patch source.
  func patchSource(_ side: SteeringMethod.Side) -> [String: PatchSource] {
    let (scene, other) = side == .on ? (swap.with, SteeringMethod.Side.off) : (swap.without, .on)
    guard let run = runs[other] else { return [:] }
    return [ShapesGrammar.caption(scene): PatchSource(run, of: block)]
  }

  /// What an edit does.
  struct Effect: Sendable, Codable, Equatable {
    /// How likely the value is without the edit.
    let before: Double
    /// How likely it is with it.
    let after: Double
    /// The mean absolute change of samples (0…1) off the changed object; of a background on the objects.
    let elsewhere: Double
    /// The share of what both prompts say alike that the judge sees, and saw without the edit.
    let kept: Double
    let keptBefore: Double
  }

  /// Runs one side with an edit, makes its picture and judges it.
  ///
  /// - Throws: as `Pipeline.picture`.
  func effect(_ intervention: Intervention, _ side: SteeringMethod.Side, _ prompts: JudgedPrompts) throws
    -> Effect
  {
    guard let run = runs[side], let plain = pictures[side], let said = verdicts[side] else {
      preconditionFailure("both sides run")
    }
    let picture = try prompts.pipeline.picture(run.run(intervention).latents)
    let verdict = prompts.judge(picture)[0]
    return Effect(
      before: before(side), after: swap.probability(verdict),
      elsewhere: PixelChange.means(plain, picture, mask: mask).outside ?? 0, kept: swap.kept(verdict),
      keptBefore: swap.kept(said))
  }
}
