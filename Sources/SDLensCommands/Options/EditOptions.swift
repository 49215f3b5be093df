import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// One number, several, or a range, as in `-6`, `-10,-5,5` or `-10:10:5`.
struct NumberList: ExpressibleByArgument {
  let values: [Double]

  init?(argument: String) {
    let range = argument.split(separator: ":", omittingEmptySubsequences: false)
    if range.count == 3 {
      guard let first = Double(range[0]), let last = Double(range[1]), let step = Double(range[2]),
        [first, last, step].allSatisfy(\.isFinite), step != 0, (last - first) / step >= 0,
        (last - first) / step < 1000
      else { return nil }
      let count = Int(((last - first) / step + 1e-9).rounded(.down)) + 1
      values = (0..<count).map { first + Double($0) * step }
      return
    }
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard numbers.allSatisfy({ $0 != nil }) else { return nil }
    values = numbers.compactMap(\.self)
  }
}

/// Steps, layers or heads, counted from 0, as in `0,2-3`.
struct NumberSet: ExpressibleByArgument {
  let numbers: Set<Int>

  init?(argument: String) {
    var numbers: Set<Int> = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard 1...2 ~= ends.count, let first = ends[0], let last = ends[ends.count - 1],
        first >= 0, first <= last, last < 1000
      else { return nil }
      numbers.formUnion(first...last)
    }
    self.numbers = numbers
  }
}

/// What is done to the updates of blocks.
struct EditOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Features to change; one strength is for all of them, or each has its own.", valueName: "n"))
  var feature: [Int] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Modulate the feature by this factor (paper, eq. 10): -1 turns it off. Several, as -6,6 or -10:10:5, make "
        + "a strip.", valueName: "beta,…"))
  var beta: [NumberList] = []

  @Option(
    name: [.long, .customLong("strength")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Add the feature in an area, this strongly in units of its mean activation; several make a strip. With a map: "
        + "how often it is added.",
      valueName: "strength,…"))
  var add: [NumberList] = []

  @Option(
    name: [.long, .customLong("gamma")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Put the feature alone in place of the update (paper, eq. 11), this strongly; the default prompt is then the "
        + "empty one. Several make a strip.", valueName: "gamma,…"))
  var emptyContext: [NumberList] = []

  @OptionGroup var maps: MapOptions

  @Option(
    help: ArgumentHelp(
      "With --add: the area, painted white on black, or word:TEXT for where that word of the prompt acts, as "
        + "'visualize words' finds it over all blocks.", valueName: "mask.png|word:text"),
    completion: .file(extensions: ["png"]))
  var mask: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "With --mask word:TEXT: how far a place must be from the lowest share of the word to the highest. (default: 0.5)",
      valueName: "share"))
  var maskThreshold: Double?

  @Option(
    help: ArgumentHelp(
      "With --add: left, right, top, bottom, centre, or x0,y0,x1,y1 from 0 to 1. (default: everywhere)",
      valueName: "area"))
  var region: String?

  @Flag(help: "Replace the block's update by what the dictionary makes of it.")
  var reconstruct = false

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Transformer blocks to leave out.", valueName: "block"))
  var ablate: [BlockName] = []

  @Option(
    help: ArgumentHelp("Edit in these denoising steps only, as 0,2-3. (default: all)", valueName: "steps"))
  var atSteps: NumberSet?

  @Option(
    help: ArgumentHelp(
      "A saved list of edits, its JSON itself, or a picture that carries one; done before all others.",
      valueName: "edit.json"),
    completion: .file(extensions: ["json", "png"]))
  var edit: String?

  func validate() throws {
    let kinds = [("beta", beta), ("add", add), ("empty-context", emptyContext)].filter { !$0.1.isEmpty }
    if kinds.count > 1 {
      throw ValidationError(
        "--\(kinds[0].0) and --\(kinds[1].0) do different things to a feature; give one of them, "
          + "and the rest as a list with --edit")
    }
    let given = kinds.first?.1.count ?? 0
    try maps.validate(feature)
    if !maps.given.isEmpty {
      if let kind = kinds.first, kind.0 != "add" || !maps.isAdded {
        throw ValidationError(
          "\(maps.given[0]) takes no --\(kind.0); give them one after the other, as a list with --edit")
      }
      if add.count > 1 {
        throw ValidationError(
          "\(maps.given[0]) is one edit, but --add is given \(add.count) times; give one list")
      }
    } else if feature.count != given, given != 1 || feature.isEmpty {
      throw ValidationError(
        feature.isEmpty
          ? "--\(kinds[0].0) needs a --feature"
          : given == 0
            ? "--feature needs a strength: --beta, --add or --empty-context"
            : "there are \(feature.count) features and \(given) times --\(kinds[0].0); give one for all, or one for each"
      )
    }
    do {
      for (feature, list) in zip(feature, perFeature(beta)) {
        try check(list) { .modulate(feature: feature, beta: $0) }
      }
      for (feature, list) in zip(maps.isAdded ? [0] : feature, perFeature(add)) {
        try check(list) { .add(feature: feature, strength: $0, mask: .everywhere) }
      }
      for (feature, list) in zip(feature, perFeature(emptyContext)) {
        try check(list) { .emptyContext(feature: feature, gamma: $0) }
      }
      if let region { _ = try Region(region) }
    } catch let problem as any UserError {
      throw ValidationError(problem.description)
    }
    let lengths = Set((kinds.first?.1 ?? []).map(\.values.count)).subtracting([1])
    if lengths.count > 1 {
      throw ValidationError(
        "the lists of --\(kinds[0].0) have \(lengths.sorted().map(String.init).joined(separator: " and ")) values; make them equally long"
      )
    }
    if (mask != nil || region != nil) && add.isEmpty && !maps.isAdded {
      throw ValidationError("--\(mask != nil ? "mask" : "region") says where --add acts; give --add too")
    }
    if maskWord == "" { throw ValidationError("--mask word: names no word; give one of the prompt") }
    if let maskThreshold {
      guard maskWord != nil else {
        throw ValidationError("--mask-threshold is of a word's map; give --mask word:TEXT too")
      }
      guard 0...1 ~= maskThreshold else {
        throw ValidationError("mask-threshold is \(maskThreshold), but it must be from 0 to 1")
      }
    }
    if mask != nil && region != nil {
      throw ValidationError("--mask and --region both say where --add acts; give one of them")
    }
    if feature.isEmpty && maps.given.isEmpty && !reconstruct && ablate.isEmpty && edit == nil {
      throw ValidationError("nothing is to be done; give --feature with --beta, or another edit")
    }
  }

  /// The word that `--mask` names, if it names one.
  private var maskWord: String? {
    mask.flatMap { $0.hasPrefix("word:") ? String($0.dropFirst("word:".count)) : nil }
  }

  /// Where something is added.
  ///
  /// - Throws: as `Mask`, `Region` and `Laboratory.wordMaps`; `NoSuchWord`, `FlatWord`.
  func area(
    at block: BlockName, of prompt: String, negative: String?, _ settings: RunSettings,
    _ laboratory: Laboratory, _ progress: Progress
  ) throws -> Mask {
    let size = try laboratory.pipeline.mapSize(of: block, settings)
    if let maskWord {
      _ = try laboratory.encoder.tokens(of: prompt).places(of: maskWord)
      progress.stage("looking where '\(maskWord)' acts")
      let maps = try laboratory.wordMaps(of: prompt, negative: negative, settings).maps
      return .places(try maps.mask(of: maskWord, threshold: maskThreshold ?? 0.5, size: size))
    }
    if let mask {
      return try Mask(contentsOf: mask, picture: (settings.height, settings.width), map: size)
    }
    return try region.map { .region(try Region($0)) } ?? .everywhere
  }

  /// A list of strengths for each feature: one that is given alone is for all.
  func perFeature(_ lists: [NumberList]) -> [NumberList] {
    lists.count == 1 && !maps.isAdded ? Array(repeating: lists[0], count: feature.count) : lists
  }

  /// Refuses strengths and features that no edit can have.
  private func check(_ list: NumberList, _ operation: (Double) -> Edit.Operation) throws {
    for value in list.values { _ = try EditList([Edit(operation(value), at: BlockName.studied[0])]) }
  }

  /// Whether the run is one of the empty prompt unless a prompt is given.
  var wantsEmptyPrompt: Bool { !emptyContext.isEmpty }

  /// One list of edits for each picture of the strip, with what tells it from the others.
  ///
  /// - Parameters:
  ///   - saved: edits of a file, done before all others.
  ///   - map: what `maps` adds.
  ///   - area: where something is added.
  func lists(_ saved: [Edit], adding map: UpdateMap?, at block: BlockName, on area: Mask) throws
    -> [(title: String, list: EditList)]
  {
    let steps = atSteps?.numbers
    var fixed = saved
    if reconstruct { fixed.append(Edit(.reconstruct, at: block, steps: steps)) }
    fixed += ablate.map { Edit(.ablate, at: $0, steps: steps) }
    if let operation = maps.operation(feature) { fixed.append(Edit(operation, at: block, steps: steps)) }
    if let map {
      return try EditList.strip(
        fixed, adding: map, add.first?.values ?? [1], at: block, on: area, steps: steps)
    }
    let kind: EditList.Strength = !beta.isEmpty ? .beta : !add.isEmpty ? .add(area) : .gamma
    return try EditList.strip(
      fixed, features: feature, kind, perFeature(beta + add + emptyContext).map(\.values), at: block,
      steps: steps)
  }
}
