import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse
import SDLensStudy

/// The work of `eval steering`, kept value by value and prompt by prompt.
struct SteeringJob {
  let prompts: JudgedPrompts
  let store: ActivationStore
  let results: ResultFolder
  let features, pairs, choosing, pictures: Int
  let progress: Progress

  /// Pictures that choosing tries for one value, about; how many depends on what reaches the goal.
  private var tries: Int { 38 * choosing }

  /// Pictures that one value takes, about: those of the pairs, of what is tried to choose, and of what is measured.
  private var picturesPerValue: Int {
    (choosing + pairs) * 2 + tries + pairs * 2 * SteeringMethod.all.count
  }

  private func key(_ value: ShapesWorld.FactorValue, _ block: BlockName) -> String { "\(value) \(block)" }

  /// Says how long all of it takes, from the time of one picture.
  func announce(_ tasks: [(factor: ShapesWorld.Factor, block: BlockName)]) throws {
    let done = try ResultCache<[SteeringResult]>(results("done.jsonl"))
    let values = tasks.flatMap { task in
      ShapesWorld.FactorValue.all.filter { $0.factor == task.factor }.map { key($0, task.block) }
    }
    let left = values.count { !done.has("\($0) \(pairs)") }
    guard left > 0 else { return }
    // Reading the model is no part of a picture's time.
    try prompts.time(Parallel.threads)
    let start = ContinuousClock.now
    let count = 2 * Parallel.threads
    try prompts.time(count)
    let each = (ContinuousClock.now - start) / count
    progress.note(
      "\(left) of \(values.count) values to steer, about \(Units.grouped(left * picturesPerValue)) pictures: about "
        + "\(Units.time(each * (left * picturesPerValue)))")
    progress.count(to: left * picturesPerValue, unit: "pictures")
  }

  /// All values of some factors at a block.
  func run(_ block: BlockName, _ factors: [ShapesWorld.Factor], _ autoencoder: SparseAutoencoder) throws
    -> [SteeringSummary]
  {
    let values = ShapesWorld.FactorValue.all.filter { factors.contains($0.factor) }
    let plans = try ResultCache<SteeringPlan>(results("plans.jsonl"))
    let chosen = try ResultCache<SteeringPlan>(results("choices.jsonl"))
    let done = try ResultCache<[SteeringResult]>(results("done.jsonl"))
    let single = try ResultCache<[SteeringResult]>(results("prompts.jsonl"))
    var study: SteeringStudy?
    if values.contains(where: { !done.has("\(key($0, block)) \(pairs)") }) {
      var opened = try SteeringStudy(
        autoencoder, at: block, in: store, of: prompts, largest: features, limit: pictures)
      let all = try values.map { value in
        try plans.value(key(value, block)) {
          defer { progress.advance("finding features of \(value) at \(block)", by: 2 * choosing) }
          return try opened.plan(value, on: choosing)
        }
      }
      try opened.learn(all)
      study = opened
    }
    let found = try values.map { value -> (plan: SteeringPlan, results: [SteeringResult]) in
      let name = key(value, block)
      let plan = try chosen.value(name) {
        var made = 0
        defer { progress.advance("choosing for \(value)", by: tries - made) }
        return try study!.choosing(plans.value(name) { try study!.plan(value, on: choosing) }) {
          progress.advance("choosing for \(value) at \(block)", by: min($0, tries - made))
          made = min(made + $0, tries)
        }
      }
      let measured = try done.value("\(name) \(pairs)") {
        var (found, index) = ([SteeringResult](), plan.next)
        while found.count < pairs, index < prompts.count, !plan.prompts.isEmpty {
          defer { index += 1 }
          let result = try single.value("\(name) \(index)") {
            try study!.measure(plan, on: index).map { [$0] } ?? []
          }
          guard !result.isEmpty else { continue }
          found += result
          progress.advance("steering \(value) at \(block)", by: 2 * SteeringMethod.all.count + 2)
        }
        return found
      }
      return (plan, measured)
    }
    return factors.map { factor in SteeringSummary(found.filter { $0.plan.value.factor == factor }) }
  }
}
