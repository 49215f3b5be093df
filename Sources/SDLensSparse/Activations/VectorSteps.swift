/// The denoising steps that vectors are of, and how many steps their runs had.
public struct VectorSteps: Sendable, Equatable, CustomStringConvertible {
  /// The steps, from 0, ascending.
  public let steps: [Int]
  /// The steps of the runs.
  public let count: Int

  /// Some steps of a run, or all.
  public init(_ steps: [Int]? = nil, of count: Int) {
    (self.steps, self.count) = (steps ?? Array(0..<count), count)
  }

  /// Whether they are all.
  public var areAll: Bool { steps.count == count }

  /// What is wrong with steps that were asked for, given how many there are; nil where nothing is.
  static func problem(_ steps: [Int], of count: Int) -> String? {
    let isAscending = zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 }
    return !steps.isEmpty && isAscending && steps.allSatisfy { 0..<count ~= $0 }
      ? nil : "has the vectors of the steps \(steps) of \(count)"
  }

  /// As in `step 2 of 4 (from 0)`.
  public var description: String {
    if areAll { return count == 1 ? "1 step" : "all \(count) steps" }
    let list = steps.map(String.init).joined(separator: ", ")
    return "step\(steps.count == 1 ? "" : "s") \(list) of \(count) (from 0)"
  }

  /// The end of a name that tells them apart from all, as in `-step2`; empty for all.
  public var suffix: String { areAll ? "" : "-step" + steps.map(String.init).joined(separator: ",") }

  /// What to say where a dictionary that learned from these steps is used at others; nil where it fits.
  ///
  /// - Parameter name: of the dictionary.
  public func note(of name: String, usedAt other: VectorSteps) -> String? {
    guard count != other.count || !Set(other.steps).isSubset(of: steps) else { return nil }
    return "The dictionary '\(name)' learned from \(self), but is used at \(other)"
  }
}
