import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// Makes and unmakes values of `shapes` at one block by all of `SteeringMethod.all`, or some of them.
///
/// For each value some swaps (a prompt without the value and the same with it, from the same noise) tell which features
/// carry the difference (`FeatureGroup`), which is the smallest number of them that reaches the goal, and how often a
/// direction or map is to be added; the next swaps measure it.
public struct SteeringStudy {
  /// How many features or components a group has at most.
  public let largest: Int
  private let methods: [SteeringMethod]
  private let block: BlockName
  private let prompts: JudgedPrompts
  private let updates: LabelledUpdates
  private let scenes: [ShapesScene]
  /// What sources with candidates are made of.
  private let dictionaries: [SteeringMethod.Source: SparseAutoencoder]
  private var updateMeans = LabelledMeans()
  private var featureMeans = LabelledMeans()
  /// Those of `featureMeans`, in its order.
  private var meanFeatures: [Int] = []

  /// Opens a block of a store and finds its principal components.
  ///
  /// - Parameters:
  ///   - methods: what is tried; others need not be made ready.
  ///   - limit: pictures of the store to look at, from the first on.
  ///   - seed: of the random directions.
  /// - Throws: as `FactorStudy`.
  public init(
    _ autoencoder: SparseAutoencoder, at block: BlockName, in store: ActivationStore,
    of prompts: JudgedPrompts, methods: [SteeringMethod] = SteeringMethod.all,
    largest: Int = 8, limit: Int = .max, seed: Seed = 42
  ) throws {
    (self.block, self.prompts, self.largest, self.methods) = (block, prompts, largest, methods)
    updates = try LabelledUpdates(of: "\(block)", in: store, limit: limit)
    scenes = try FactorStudy.scenes(of: store)
    try updates.check(autoencoder)
    guard methods.contains(where: { $0.source == .random || $0.source == .components }) else {
      dictionaries = [.features: autoencoder]
      return
    }
    var moments = VectorMoments(width: updates.width)
    for picture in 0..<updates.count { moments.add(try updates.vectors(picture)) }
    let components = try PrincipalComponents(moments)
    let mean = Tensor(components.mean.map { Float($0) }, [updates.width])
    func plain(_ directions: Tensor, k: Int) -> SparseAutoencoder {
      SparseAutoencoder(
        k: k, encoder: directions, decoder: directions, preBias: mean, latentBias: Tensor([directions.rows]))
    }
    let axes = components.directions
    let both = Tensor(axes.elements + axes.elements.map { -$0 }, [2 * axes.rows, updates.width])
    dictionaries = [
      .features: autoencoder,
      .random: plain(
        RandomDirections.make(autoencoder.features, width: updates.width, seed: seed),
        k: try autoencoder.k ?? updates.meanActive(autoencoder)),
      // A component counts with either sign: two features, of which one is active.
      .components: plain(both, k: axes.rows),
    ]
  }

  /// The features of a source that belong to candidates.
  private func features(_ candidates: some Sequence<Int>, of source: SteeringMethod.Source) -> [Int] {
    source == .components ? candidates.flatMap { [$0, $0 + updates.width] } : Array(candidates)
  }

  // MARK: Choosing

  /// Finds swaps of which the judge is sure, and the candidates that carry the difference.
  ///
  /// The other values of the swaps are as different as can be: what carries the difference is then the value's own.
  ///
  /// - Parameter count: how many swaps.
  /// - Throws: as `Pipeline.sample`.
  public func plan(_ value: ShapesWorld.FactorValue, on count: Int) throws -> SteeringPlan {
    var (found, next) = ([SwapRuns](), 0)
    let others = value.factor.values.count - 1
    while found.count < count, next < prompts.count {
      defer { next += 1 }
      guard let swap = ValueSwap(prompts.scenes[next], value, index: next),
        found.count(where: { $0.swap.other == swap.other }) <= found.count / others
      else { continue }
      if let runs = try SwapRuns(swap, at: block, of: prompts) { found.append(runs) }
    }
    var plan = SteeringPlan(value: value, prompts: found.map(\.swap.index), next: next, groups: [:])
    for (source, autoencoder) in dictionaries {
      let width = updates.width
      let group = FeatureGroup(largest, of: autoencoder, explaining: found.map(\.updates)) {
        source == .components ? $0 % width : $0
      }
      plan.groups[source.rawValue] = SteeringPlan.Group(
        candidates: group.candidates, explained: group.explained,
        directions: group.candidates.map { candidate in
          Self.mean(found) { autoencoder.change($0.updates, of: features([candidate], of: source)) }
        })
    }
    plan.groups[SteeringMethod.Source.means.rawValue] = SteeringPlan.Group(
      candidates: [], explained: [],
      directions: [Self.mean(found) { zip($0.updates.with.elements, $0.updates.without.elements).map(-) }])
    return plan
  }

  /// The mean of a change [places, width] over the places of the changed objects.
  private static func mean(_ swaps: [SwapRuns], _ change: (SwapRuns) -> [Float]) -> [Float] {
    var (sum, count): ([Float], Float) = ([], 0)
    for swap in swaps {
      let (values, shares) = (change(swap), swap.places.values)
      let width = values.count / shares.count
      if sum.isEmpty { sum = Array(repeating: 0, count: width) }
      for (place, share) in shares.enumerated() where share > 0 {
        for channel in 0..<width { sum[channel] += values[place * width + channel] }
        count += 1
      }
    }
    return sum.map { $0 / max(1, count) }
  }

  /// Learns the mean maps of labelled pictures: of the update, and of the features of these plans.
  ///
  /// - Throws: what is wrong with the store.
  public mutating func learn(_ plans: [SteeringPlan]) throws {
    meanFeatures = Set(plans.flatMap { $0[.features].candidates }).sorted()
    guard let autoencoder = dictionaries[.features] else { return }
    let places = Dictionary(uniqueKeysWithValues: meanFeatures.enumerated().map { ($1, $0) })
    for picture in 0..<updates.count {
      let rows = try updates.vectors(picture)
      updateMeans.add(rows.elements, scenes[picture])
      var own = [Float](repeating: 0, count: rows.rows * meanFeatures.count)
      autoencoder.encode(rows).forEachActive { row, feature, value in
        if let place = places[feature] { own[row * meanFeatures.count + place] = value }
      }
      featureMeans.add(own, scenes[picture])
    }
  }

  /// The same plan, with the smallest group and the strength for every method and side.
  ///
  /// Of the strengths the first that reaches the goal is taken, else the best; then the number of features is halved
  /// between what reaches the goal and what does not.
  ///
  /// - Parameter progress: called with the number of pictures that were made.
  /// - Throws: as `Pipeline.sample`.
  public func choosing(_ plan: SteeringPlan, progress: (Int) -> Void = { _ in }) throws -> SteeringPlan {
    let swaps = try plan.prompts.compactMap { index in
      try ValueSwap(prompts.scenes[index], plan.value, index: index).flatMap {
        try SwapRuns($0, at: block, of: prompts)
      }
    }
    var plan = plan
    guard !swaps.isEmpty else { return plan }
    for method in methods {
      for side in SteeringMethod.Side.allCases {
        func probability(_ size: Int, _ strength: Double) throws -> Double? {
          let found = try Parallel.results(swaps.count) { index in
            try intervention(method, side, size, strength, plan, swaps[index]).map {
              try swaps[index].effect($0, side, prompts).after
            }
          }
          progress(swaps.count)
          let values = found.compactMap(\.self)
          return values.isEmpty ? nil : Bootstrap.mean(values)
        }
        let size = plan[method.source].candidates.count
        guard method.isChosen else {
          plan.choices.append(.init(method: method, side: side, size: size, strength: 1))
          continue
        }
        var best: (choice: SteeringPlan.Choice, probability: Double)?
        for strength in method.form.strengths {
          guard let found = try probability(size, strength) else { break }
          if best.map({ side.isBetter(found, than: $0.probability) }) ?? true {
            best = (.init(method: method, side: side, size: size, strength: strength), found)
          }
          if side.isSafe(found) { break }
        }
        guard let best else { continue }
        var choice = best.choice
        if method.source == .features, side.isSafe(best.probability) {
          var fewest = 1
          while fewest < choice.size {
            let half = (fewest + choice.size) / 2
            guard let found = try probability(half, choice.strength) else { break }
            if side.isSafe(found) {
              choice = .init(method: method, side: side, size: half, strength: choice.strength)
            } else {
              fewest = half + 1
            }
          }
        }
        plan.choices.append(choice)
      }
    }
    return plan
  }

  // MARK: Measuring

  /// Tries everything that was chosen on a prompt; nil where it cannot be swapped, or the judge is not sure of it.
  ///
  /// - Throws: as `Pipeline.sample`.
  public func measure(_ plan: SteeringPlan, on index: Int) throws -> SteeringResult? {
    guard let swap = ValueSwap(prompts.scenes[index], plan.value, index: index),
      let runs = try SwapRuns(swap, at: block, of: prompts)
    else { return nil }
    let outcomes = try Parallel.results(plan.choices.count) { number -> SteeringResult.Outcome? in
      let choice = plan.choices[number]
      return try intervention(choice.method, choice.side, choice.size, choice.strength, plan, runs).map {
        .init(method: choice.method, side: choice.side, effect: try runs.effect($0, choice.side, prompts))
      }
    }
    return SteeringResult(prompt: index, outcomes: outcomes.compactMap(\.self))
  }

  // MARK: Edits

  /// The edit of a method; nil where no labelled picture tells the map.
  private func intervention(
    _ method: SteeringMethod, _ side: SteeringMethod.Side, _ size: Int, _ strength: Double,
    _ plan: SteeringPlan, _ runs: SwapRuns
  ) throws -> Intervention? {
    let group = plan[method.source]
    let candidates = group.candidates.prefix(size)
    let sign = side == .on ? strength : -strength
    let swap = runs.swap
    var dictionary: SparseAutoencoder?
    let operation: Edit.Operation
    switch method.form {
    case .direction:
      let parts = method.source == .means ? group.directions[...] : group.directions.prefix(size)
      guard let first = parts.first else { return nil }
      let vector = parts.dropFirst().reduce(first) { zip($0, $1).map(+) }
      operation = .addMap(
        try UpdateMap(Tensor(vector, [vector.count]), file: "direction"), strength: sign,
        mask: .places(runs.places))
    case .map:
      let place = swap.with.objects[0].resolvedPlace
      let means = method.source == .means ? updateMeans : featureMeans
      guard let difference = means.difference(swap.value, from: swap.other, at: place) else { return nil }
      let values = method.source == .means ? difference : decoded(difference, candidates)
      operation = .addMap(
        try UpdateMap(Tensor(values, [values.count / updates.width, updates.width]), file: "map"),
        strength: sign, mask: .everywhere)
    case .transplant:
      let prompt = ShapesGrammar.caption(side == .on ? swap.with : swap.without)
      switch method.source {
      case .update: operation = .transplant(prompt: prompt, features: nil)
      case .dictionary:
        dictionary = dictionaries[.features]
        let both = [runs.updates.without, runs.updates.with].map { dictionary?.encode($0) }
        var active: Set<Int> = []
        for codes in both { codes?.forEachActive { _, feature, _ in active.insert(feature) } }
        operation = .transplant(prompt: prompt, features: active.sorted())
      default:
        dictionary = dictionaries[method.source]
        let own = features(candidates, of: method.source)
        guard !own.isEmpty else { return nil }
        operation = .transplant(prompt: prompt, features: own)
      }
    }
    return try Intervention(
      EditList([Edit(operation, at: block)]),
      dictionary.map { [block: BlockDictionary($0, means: nil)] } ?? [:], for: prompts.pipeline,
      prompts.settings(of: swap.index), patchSources: runs.patchSource(side))
  }

  /// `Σ_ρ S_ρ f_ρ` of some of the mean features' maps, [places, width].
  private func decoded(_ maps: [Float], _ features: some Sequence<Int>) -> [Float] {
    guard let decoder = dictionaries[.features]?.decoder else { return [] }
    let (count, width) = (meanFeatures.count, updates.width)
    var values = [Float](repeating: 0, count: maps.count / max(1, count) * width)
    for feature in features {
      guard let column = meanFeatures.firstIndex(of: feature) else { continue }
      let direction = decoder.rows(feature..<feature + 1).elements
      for place in 0..<maps.count / count {
        let activation = maps[place * count + column]
        for channel in 0..<width { values[place * width + channel] += activation * direction[channel] }
      }
    }
    return values
  }
}

extension SparseAutoencoder {
  /// `Σ_ρ (S_with − S_without)_ρ f_ρ` over some features, [places, width].
  func change(_ updates: (without: Tensor, with: Tensor), of features: [Int]) -> [Float] {
    let decoder = decoder.elements
    var values = [Float](repeating: 0, count: updates.with.rows * width)
    for (update, sign) in [(updates.with, Float(1)), (updates.without, -1)] {
      encode(update).forEachActive { row, feature, value in
        guard features.contains(feature) else { return }
        for channel in 0..<width {
          values[row * width + channel] += sign * value * decoder[feature * width + channel]
        }
      }
    }
    return values
  }
}
