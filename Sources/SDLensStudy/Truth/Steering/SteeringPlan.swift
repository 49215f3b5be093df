import SDLensCore
import SDLensShapes

/// How a value is to be steered: found on some swaps, to be measured on others.
public struct SteeringPlan: Sendable, Codable, Equatable {
  /// The candidates of one source.
  struct Group: Sendable, Codable, Equatable {
    /// Features or components, most telling first; empty where there is nothing to choose.
    var candidates: [Int]
    /// The share of the difference that each and those before it explain.
    var explained: [Double]
    /// What each adds, on average over the places of the object: together with those before it a direction.
    var directions: [[Float]]
  }
  /// What was chosen for a method and a side.
  struct Choice: Sendable, Codable, Equatable {
    let method: SteeringMethod
    let side: SteeringMethod.Side
    /// How many candidates; 0 where there is nothing to choose.
    let size: Int
    /// How often it is added.
    let strength: Double
  }

  /// The value.
  public let value: ShapesWorld.FactorValue
  /// The prompts on which it was chosen.
  public let prompts: [Int]
  /// The first prompt on which it may be measured.
  public let next: Int
  /// By the names of their sources.
  var groups: [String: Group]
  /// One for each method and side.
  var choices: [Choice] = []

  subscript(source: SteeringMethod.Source) -> Group {
    groups[source.rawValue] ?? Group(candidates: [], explained: [], directions: [])
  }

  /// What was chosen.
  func choice(_ method: SteeringMethod, _ side: SteeringMethod.Side) -> Choice? {
    choices.first { $0.method == method && $0.side == side }
  }
}

/// What all methods did to one swap.
public struct SteeringResult: Sendable, Codable, Equatable {
  /// One method and side.
  struct Outcome: Sendable, Codable, Equatable {
    let method: SteeringMethod
    let side: SteeringMethod.Side
    let effect: SwapRuns.Effect
  }
  /// The prompt.
  public let prompt: Int
  let outcomes: [Outcome]
}
