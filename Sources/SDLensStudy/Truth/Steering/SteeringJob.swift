import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// The work of `eval steering`, kept value by value and prompt by prompt.
public struct SteeringJob {
  /// What is measured where.
  typealias Task = (factor: ShapesWorld.Factor, block: BlockName)

  /// Features of a group, at most.
  public var features = 8
  /// Pairs of prompts that measure each value.
  public var pairs = 6
  /// Pairs of prompts before these that choose for each value.
  public var choosing = 6
  /// Pictures of the store, at most.
  public var pictures = 2000
  /// What is measured.
  public let sources: Provenance
  private let model: ModelFolder
  private let prompts: JudgedPrompts
  private let dictionaries: [BlockName: DictionaryFolder]
  private let tasks: [Task]
  private let blocks: [BlockName]
  private let store: ActivationStore
  private let workspace: Workspace
  private let progress: any MetricProgress

  /// Finds prompts, dictionaries and store; records one where nothing is recorded.
  ///
  /// - Parameters:
  ///   - named: blocks; without any, those that carry the factors.
  ///   - factors: without any, those that the blocks carry.
  ///   - names: of dictionaries, also of other models; without any, the newest of each block.
  ///   - name: of a store; nil for the one that fits.
  ///   - limit: prompts to take, from the first on.
  ///   - seed: that of the first prompt.
  /// - Throws: `NothingCarried`, `TooFewPictures`, and as `JudgedPrompts`, `DictionaryLookup` and `CollectionJob.store`.
  public init(
    of model: ModelFolder, at named: [BlockName], factors: [ShapesWorld.Factor], dictionaries names: [String],
    store name: String?, limit: Int, seed: Seed, in workspace: Workspace, _ progress: any MetricProgress
  ) throws {
    (self.model, self.workspace, self.progress) = (model, workspace, progress)
    progress.stage("reading the model")
    prompts = try JudgedPrompts(of: model, limit: limit, seed: seed)
    let dictionaries = try DictionaryLookup(model, in: workspace, acrossModels: true) { progress.note($0) }
      .dictionaries(
        ofSome: named.isEmpty ? Set(factors.map(\.carrier)).sorted() : named, named: names)
    tasks = Self.tasks(named.isEmpty ? [] : dictionaries.keys.sorted(), factors).filter {
      dictionaries[$0.block] != nil
    }
    let blocks = Set(tasks.map(\.block)).sorted()
    guard !blocks.isEmpty else { throw NothingCarried(blocks: dictionaries.keys.sorted()) }
    store = try CollectionJob.store(named: name, of: blocks, model, in: workspace, progress)
    try progress.checkSize(of: store, blocks: blocks, isNamed: name != nil)
    sources = try Provenance(
      model,
      dictionaries: blocks.compactMap { block in
        try dictionaries[block].map { try .init($0, of: block, on: model) }
      },
      store: store)
    (self.dictionaries, self.blocks) = (dictionaries, blocks)
  }

  /// What is measured where: the factors named at the blocks named; else those that the blocks carry, or the blocks
  /// that carry the factors.
  private static func tasks(_ blocks: [BlockName], _ factors: [ShapesWorld.Factor]) -> [Task] {
    let chosen = factors.isEmpty ? ShapesWorld.Factor.allCases : factors
    let all = blocks.isEmpty ? Set(chosen.map(\.carrier)).sorted() : blocks
    return all.flatMap { block in
      let carried = chosen.filter { $0.carrier == block }
      let isNamed = !blocks.isEmpty && (!factors.isEmpty || carried.isEmpty)
      return (isNamed ? chosen : carried).map { (factor: $0, block: block) }
    }
  }

  /// Measures all, and writes the tables as CSV and JSON, a plot of each and `run.json` into the workspace.
  ///
  /// - Parameter command: how it is asked for, to be kept in `run.json`.
  /// - Throws: as `SteeringStudy`; `FileError`.
  public func run(command: [String]) throws -> [SteeringTable] {
    var settings = try prompts.key(of: model).merging(sources.settings) { $1 }
    settings["pictures"] = "\(min(pictures, store.pictures))"
    settings["features"] = "\(features)"
    settings["choosing"] = "\(choosing)"
    let results = try ResultFolder("steering", settings: settings, in: workspace.folder)
    try announce(results)
    let found = try blocks.flatMap { block in
      let factors = tasks.filter { $0.block == block }.map(\.factor)
      return try measure(block, factors, dictionaries[block]!.autoencoder, results)
    }
    progress.clear()
    let tables = zip(tasks.sorted { $0.block < $1.block }, found).map { task, summary in
      SteeringTable(
        block: "\(task.block)", factor: task.factor, largest: features, summary: summary,
        sources: sources.of(task.block))
    }
    try results.write([SteeringTable.columns] + tables.flatMap(\.csv), to: "steering.csv")
    try JSON.write(tables, to: results("steering.json"))
    for table in tables {
      try table.plot?.write(to: results("steering-\(table.factor.rawValue)-\(table.block).png"))
    }
    try results.writeRun(command, model, settings)
    progress.note("'\(results.path)' has the tables (CSV, JSON) and a plot of each factor")
    return tables
  }

  /// Pictures that choosing tries for one value, about; how many depends on what reaches the goal.
  private var tries: Int { 38 * choosing }

  /// Pictures that one value takes, about: those of the pairs, of what is tried to choose, and of what is measured.
  private var picturesPerValue: Int {
    (choosing + pairs) * 2 + tries + pairs * 2 * SteeringMethod.all.count
  }

  private func key(_ value: ShapesWorld.FactorValue, _ block: BlockName) -> String { "\(value) \(block)" }

  /// Says how long all of it takes, from the time of one picture.
  private func announce(_ results: ResultFolder) throws {
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
  private func measure(
    _ block: BlockName, _ factors: [ShapesWorld.Factor], _ autoencoder: SparseAutoencoder,
    _ results: ResultFolder
  ) throws -> [SteeringSummary] {
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

/// Dictionaries of blocks that carry no factor.
public struct NothingCarried: UserError {
  let blocks: [BlockName]
  /// The blocks, and what to do.
  public var description: String {
    "there are dictionaries of \(blocks.map(\.description).joined(separator: ", ")), which carry no factor of shapes; "
      + "name the blocks with --block to measure all factors there"
  }
}
