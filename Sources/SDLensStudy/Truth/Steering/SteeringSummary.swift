import SDLensShapes

/// What became of the values of a factor, and where those that cannot be steered are lost.
public struct SteeringSummary: Sendable, Codable, Equatable {
  /// Why a value can be made or unmade, or cannot.
  public enum Answer: String, Sendable, Codable, CaseIterable {
    /// At most so many features as a group may have do it.
    case steered
    /// All features together do it.
    case spread = "spread over more features"
    /// The block's whole update does it, but not what the dictionary makes of it.
    case missing = "not in the dictionary"
    /// Not even the whole update does it.
    case elsewhere = "not in the block"
    /// There was no pair of prompts of which the judge was sure.
    case unknown = "too few pictures"
  }

  /// One method on one side.
  public struct Cell: Sendable, Codable, Equatable {
    /// What is done.
    public let method: SteeringMethod
    /// Whether the value is to come or to go.
    public let side: SteeringMethod.Side
    /// Of one value: how many features or components there are.
    public let size: Int?
    /// Of one value: how often they are added.
    public let strength: Double?
    /// The judge's probability of the value without the edit; each picture counts once.
    public let before: Estimate
    /// The same with the edit.
    public let after: Estimate
    /// The mean absolute change of samples (0…1) off the changed object; of a background on the objects.
    public let elsewhere: Estimate
    /// The share of all else that the prompts say which the judge sees without the edit.
    public let keptBefore: Estimate
    /// The same with the edit.
    public let kept: Estimate
    /// How many values reach the goal: at least .8, at most .1.
    public let reached: Int
  }

  /// One value.
  public struct Row: Sendable, Codable, Equatable {
    /// The value.
    public let value: ShapesWorld.FactorValue
    /// On how many pairs of prompts it was chosen.
    public let chosen: Int
    /// On how many it was measured.
    public let measured: Int
    /// Of every method and side.
    public let cells: [Cell]
    /// By the side.
    public let answers: [String: Answer]
    /// The method with the fewest features that reaches the goal, by the side.
    public let smallest: [String: Cell]

    /// Why it can be made or unmade, or cannot.
    public func answer(_ side: SteeringMethod.Side) -> Answer { answers[side.rawValue] ?? .unknown }
  }

  /// The values.
  public let rows: [Row]
  /// Over all values, of every method and side.
  public let cells: [Cell]

  /// Sums up what was planned and found for each value.
  public init(_ found: [(plan: SteeringPlan, results: [SteeringResult])]) {
    rows = found.map { Row($0.plan, $0.results) }
    let outcomes = found.flatMap(\.results).flatMap(\.outcomes)
    let rows = rows
    cells = Self.pairs.compactMap { method, side in
      Cell(
        method, side, nil, outcomes,
        reached: rows.count { row in
          row.cells.contains { $0.method == method && $0.side == side && $0.reached == 1 }
        })
    }
  }

  /// How many values have an answer.
  public func count(_ side: SteeringMethod.Side, _ answer: Answer) -> Int {
    rows.count { $0.answer(side) == answer }
  }

  fileprivate static var pairs: [(SteeringMethod, SteeringMethod.Side)] {
    SteeringMethod.all.flatMap { method in SteeringMethod.Side.allCases.map { (method, $0) } }
  }
}

extension SteeringSummary.Cell {
  fileprivate init?(
    _ method: SteeringMethod, _ side: SteeringMethod.Side, _ choice: SteeringPlan.Choice?,
    _ outcomes: [SteeringResult.Outcome], reached: Int? = nil
  ) {
    let effects = outcomes.filter { $0.method == method && $0.side == side }.map(\.effect)
    func mean(_ part: (SwapRuns.Effect) -> Double) -> Estimate? { Estimate(meanOf: effects.map(part)) }
    guard let before = mean(\.before), let after = mean(\.after), let elsewhere = mean(\.elsewhere),
      let keptBefore = mean(\.keptBefore), let kept = mean(\.kept)
    else { return nil }
    (self.method, self.side, size, strength) = (method, side, choice?.size, choice?.strength)
    (self.before, self.after, self.elsewhere) = (before, after, elsewhere)
    (self.keptBefore, self.kept) = (keptBefore, kept)
    self.reached = reached ?? (side.isReached(after.value) ? 1 : 0)
  }
}

extension SteeringSummary.Row {
  fileprivate init(_ plan: SteeringPlan, _ results: [SteeringResult]) {
    (value, chosen, measured) = (plan.value, plan.prompts.count, results.count)
    let outcomes = results.flatMap(\.outcomes)
    let cells = SteeringSummary.pairs.compactMap { method, side in
      SteeringSummary.Cell(method, side, plan.choice(method, side), outcomes)
    }
    var (answers, smallest) = ([String: SteeringSummary.Answer](), [String: SteeringSummary.Cell]())
    for side in SteeringMethod.Side.allCases {
      let reached = cells.filter { $0.side == side && $0.reached == 1 }
      func isReached(_ source: SteeringMethod.Source) -> Bool {
        reached.contains { $0.method.source == source }
      }
      answers[side.rawValue] =
        outcomes.isEmpty
        ? .unknown
        : isReached(.features)
          ? .steered : isReached(.dictionary) ? .spread : isReached(.update) ? .missing : .elsewhere
      // Of equally many features the first form.
      smallest[side.rawValue] = reached.filter { $0.method.source == .features }
        .min { ($0.size ?? 0) < ($1.size ?? 0) }
    }
    (self.cells, self.answers, self.smallest) = (cells, answers, smallest)
  }
}
