import SDLensCore
import SDLensDiffusion
import SDLensSparse
import Synchronization

/// A model at work, with dictionaries of some of its blocks: embeddings, runs with and without edits, codes, pictures.
///
/// The model is read when it is first needed; the last prompts, and as many runs as are asked for, are remembered.
/// Several threads may ask at once: each answer has the bits that it has alone.
public final class Laboratory: Sendable {
  /// The model.
  public let model: ModelFolder
  /// The dictionaries.
  public let dictionaries: [BlockName: DictionaryFolder]
  /// What edits need of the dictionaries.
  public let blockDictionaries: [BlockName: BlockDictionary]
  private let keptRuns: Int
  private let memory: Memory

  /// What laboratories with one model share.
  private final class Memory: Sendable {
    let state = Mutex(State())
  }
  private struct State {
    var pipeline: Pipeline?
    var encoder: PromptEncoder?
    var embeddings: [PromptKey: PromptEmbeddings] = [:]
    /// The latest last.
    var runs: [(key: RunKey, run: BaseRun)] = []
    var madeRuns = 0
  }
  private struct PromptKey: Hashable {
    let prompt: String
    let negative: String?
    let isGuided: Bool
  }
  private struct RunKey {
    let prompt: String
    let negative: String?
    let settings: RunSettings
    let blocks: Set<BlockName>
    let steps: Set<Int>

    func serves(_ other: RunKey) -> Bool {
      prompt == other.prompt && negative == other.negative && settings == other.settings
        && blocks.isSuperset(of: other.blocks)
        && steps.isSuperset(of: other.steps)
    }
  }
  /// A data set of prompts would not fit into memory.
  private static let keptPrompts = 64

  /// Puts a model and dictionaries together; nothing is read yet.
  ///
  /// - Parameter runs: runs without edits that are remembered; each takes the memory of a U-net's feature maps.
  public convenience init(
    _ model: ModelFolder, dictionaries: [BlockName: DictionaryFolder] = [:], keepingRuns runs: Int = 0
  ) {
    self.init(
      model, dictionaries: dictionaries, blockDictionaries: dictionaries.mapValues { BlockDictionary($0) },
      keepingRuns: runs)
  }

  /// The same with dictionaries that lie in no folder.
  package init(
    _ model: ModelFolder, dictionaries: [BlockName: DictionaryFolder] = [:],
    blockDictionaries: [BlockName: BlockDictionary], keepingRuns runs: Int = 0
  ) {
    (self.model, self.dictionaries, self.blockDictionaries) = (model, dictionaries, blockDictionaries)
    (keptRuns, memory) = (runs, Memory())
  }

  /// The same model at work, with other dictionaries; prompts and runs are remembered together.
  package init(
    _ other: Laboratory, dictionaries: [BlockName: DictionaryFolder],
    blockDictionaries: [BlockName: BlockDictionary]
  ) {
    (model, keptRuns, memory) = (other.model, other.keptRuns, other.memory)
    (self.dictionaries, self.blockDictionaries) = (dictionaries, blockDictionaries)
  }

  // MARK: Parts

  /// The denoising part of the model, read when it is first asked for.
  ///
  /// - Throws: what is wrong with the model.
  public var pipeline: Pipeline { get throws { try part(\.pipeline, Pipeline.init) } }

  /// The text encoders, read when they are first asked for.
  ///
  /// - Throws: what is wrong with the model.
  public var encoder: PromptEncoder { get throws { try part(\.encoder, PromptEncoder.init) } }

  private func part<Part: Sendable>(
    _ place: WritableKeyPath<State, Part?> & Sendable, _ read: (ModelFolder) throws -> Part
  ) throws -> Part {
    try memory.state.withLock { state in
      if let found = state[keyPath: place] { return found }
      let made = try read(model)
      state[keyPath: place] = made
      return made
    }
  }

  /// Lets go of the text encoders, which take gigabytes, until the next prompt that is not remembered.
  public func releaseEncoder() { memory.state.withLock { $0.encoder = nil } }

  /// Lets go of all that is kept: weights, prompts and runs.
  package func release() { memory.state.withLock { $0 = State(madeRuns: $0.madeRuns) } }

  // MARK: Prompts

  /// What a prompt becomes; with guidance, the negative prompt first: the empty one unless another is given.
  ///
  /// - Throws: what is wrong with the model.
  public func embeddings(of prompt: String, negative: String? = nil, _ settings: RunSettings) throws
    -> PromptEmbeddings
  {
    let isGuided = settings.isGuided
    let key = PromptKey(prompt: prompt, negative: isGuided ? negative : nil, isGuided: isGuided)
    if let found = memory.state.withLock({ $0.embeddings[key] }) { return found }
    // The network and the text encoders take gigabytes, and are not needed at once.
    memory.state.withLock { $0.pipeline?.releasePages() }
    let made = try embeddings(of: [prompt], negative: negative.map { [$0] }, settings)
    try encoder.releasePages()
    memory.state.withLock { state in
      if state.embeddings.count >= Self.keptPrompts { state.embeddings = [:] }
      state.embeddings[key] = made
    }
    return made
  }

  /// The same for prompts that run together; none is remembered.
  public func embeddings(of prompts: [String], negative: [String]? = nil, _ settings: RunSettings) throws
    -> PromptEmbeddings
  {
    try settings.isGuided ? encoder.guided(prompts, negative: negative) : encoder(prompts)
  }

  // MARK: Runs

  /// Settings whose picture is taken back to its noise, where they have an inversion; others as they are.
  ///
  /// - Parameter progress: called after every step with its number, from 1.
  /// - Throws: as `Pipeline.inverted`, and what is wrong with the model.
  public func inverted(
    _ settings: RunSettings, negative: String? = nil, progress: (Int) -> Void = { _ in }
  ) throws -> RunSettings {
    guard let prompt = try sourceEmbeddings(of: settings, negative: negative) else { return settings }
    return try pipeline.inverted(settings, prompt, progress: progress)
  }

  /// What the prompt of an inversion becomes; nil without one.
  ///
  /// - Throws: what is wrong with the model.
  func sourceEmbeddings(of settings: RunSettings, negative: String?) throws -> PromptEmbeddings? {
    guard let inversion = settings.image?.inversion else { return nil }
    var own = settings
    own.guidance = inversion.guidance
    return try embeddings(of: inversion.prompt, negative: negative, own)
  }

  /// A run without edits, at which edits may begin; as `BaseRun`.
  ///
  /// - Throws: as `Pipeline.sample`, what `pause` throws, and what is wrong with the model.
  public func run(
    _ prompt: String, negative: String? = nil, _ settings: RunSettings, watching blocks: [BlockName],
    atSteps steps: Set<Int> = [0], pause: () throws -> Void = {}
  ) throws -> BaseRun {
    let key = RunKey(
      prompt: prompt, negative: settings.isGuided ? negative : nil, settings: settings, blocks: Set(blocks),
      steps: steps)
    if let found = kept(key) { return found }
    let embedded = try embeddings(of: prompt, negative: negative, settings)
    let made = try BaseRun(
      pipeline, embedded, settings, watching: blocks, atSteps: steps, pause: pause)
    memory.state.withLock { state in
      state.madeRuns += 1
      state.runs.append((key, made))
      state.runs.removeFirst(max(0, state.runs.count - keptRuns))
    }
    return made
  }

  /// How many runs without edits were computed.
  package var madeRuns: Int { memory.state.withLock { $0.madeRuns } }

  private func kept(_ key: RunKey) -> BaseRun? {
    memory.state.withLock { state in
      guard let place = state.runs.lastIndex(where: { $0.key.serves(key) }) else { return nil }
      state.runs.append(state.runs.remove(at: place))
      return state.runs.last?.run
    }
  }

  /// The run without edits that all these interventions can begin in.
  ///
  /// - Throws: as `Pipeline.sample`, and what is wrong with the model.
  public func run(
    _ prompt: String, negative: String? = nil, _ settings: RunSettings, for interventions: [Intervention]
  ) throws -> BaseRun {
    let starts = interventions.compactMap(\.start)
    return try run(
      prompt, negative: negative, settings, watching: starts.map(\.block), atSteps: Set(starts.map(\.step)))
  }

  /// Lists of edits made ready, with the runs of other prompts that they need.
  ///
  /// - Throws: `EditError`, as `Pipeline.sample`, and what is wrong with the model.
  public func interventions(_ lists: [EditList], negative: String? = nil, _ settings: RunSettings) throws
    -> [Intervention]
  {
    var needed: [String: [BlockName]] = [:]
    for list in lists { needed.merge(list.patchSources) { $0 + $1 } }
    let pipeline = try pipeline
    let patchSources = try Dictionary(
      uniqueKeysWithValues: needed.map { prompt, blocks in
        (
          prompt,
          try PatchSource(
            pipeline, embeddings(of: prompt, negative: negative, settings), settings, watching: blocks)
        )
      })
    return try lists.map {
      try Intervention($0, blockDictionaries, for: pipeline, settings, patchSources: patchSources)
    }
  }

  /// The codes of a watched block's update in a kept step of a run.
  ///
  /// - Throws: `WidthMismatch`.
  public func codes(of block: BlockName, in run: BaseRun, step: Int = 0) throws -> Codes {
    guard let autoencoder = blockDictionaries[block]?.autoencoder,
      let update = run.update(of: block, step: step)
    else {
      preconditionFailure("\(block) has no dictionary or is not watched in step \(step)")
    }
    guard autoencoder.width == update.width else {
      throw WidthMismatch(block: "\(block)", stored: update.width, dictionary: autoencoder.width)
    }
    return autoencoder.encode(update)
  }

  // MARK: Pictures

  /// The picture of a run.
  ///
  /// - Parameter isExact: as in `Pipeline.picture`.
  /// - Throws: `NoPicture`.
  public func picture(_ trace: Pipeline.Trace, exactly isExact: Bool = false) throws -> Picture {
    Picture(try pipeline.picture(trace.latents, exactly: isExact))
  }

  /// Pictures of one prompt, nil standing for the one without edits; all share what is computed before their first
  /// edits.
  ///
  /// - Throws: `EditError`, `NoPicture`, as `Pipeline.sample`, and what is wrong with the model.
  public func pictures(_ prompt: String, _ settings: RunSettings, edits: [EditList?]) throws -> [Picture] {
    let interventions = try interventions(edits.map { try $0 ?? EditList([]) }, settings)
    let base = try run(prompt, settings, for: interventions)
    // Decoding lets go of the U-net's weights: first all runs, then all pictures.
    let traces = interventions.map { base.run($0) }
    return try traces.map { try picture($0) }
  }

  /// Model, dictionaries and seed in a line, for the head of a figure.
  public func origin(_ settings: RunSettings) throws -> String {
    let model = "model \(model.title) (\(try model.fingerprint().description.prefix(8)))"
    let decoder = try self.model.otherDecoder.map { ["drafts decoded by \($0)"] } ?? []
    let named = dictionaries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.label)" }
    let list =
      named.isEmpty ? [] : ["dictionar\(named.count == 1 ? "y" : "ies") \(named.joined(separator: ", "))"]
    return ([model] + decoder + list + ["seed \(settings.seed)"]).joined(separator: " · ")
  }
}
