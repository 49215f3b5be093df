import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Where the vectors for a training come from.
public struct TrainingData {
  private let model: ModelFolder
  private let workspace: Workspace
  private let limit: Int?
  private let steps: [Int]?
  private let seed: Seed
  private let progress: any MetricProgress
  private let prompts: ((_ limit: Int?) throws -> PromptList)?

  /// Of a model.
  ///
  /// - Parameters:
  ///   - prompts: reads a list that somebody named, up to a limit; nil for the model's own prompts.
  ///   - limit: prompts to record at most; nil for the usual number.
  ///   - steps: the denoising steps whose vectors of a store count, from 0; nil for all.
  public init(
    of model: ModelFolder, in workspace: Workspace, prompts: ((_ limit: Int?) throws -> PromptList)? = nil,
    limit: Int? = nil, atSteps steps: [Int]? = nil, seed: Seed, _ progress: any MetricProgress
  ) {
    (self.model, self.workspace, self.prompts) = (model, workspace, prompts)
    (self.limit, self.steps, self.seed, self.progress) = (limit, steps, seed, progress)
  }

  private func list(_ limit: Int?) throws -> PromptList {
    try prompts?(limit) ?? PromptList(of: model, limit: limit)
  }

  /// Vectors on disk, for one block after the other.
  ///
  /// - Throws: as `StoreLookup` and `CollectionJob.run`.
  public func stored(_ blocks: [BlockName], store name: String?) throws -> [[TrainingSource]] {
    try model.check(blocks)
    let store = try present(blocks, store: name) ?? collect(blocks)
    for problem in store.damaged { progress.note("Left out: \(problem)") }
    if !store.missing.isEmpty {
      progress.note(
        "'\(store.folder)' lacks \(store.missing.count) of \(store.manifest.shards) shards; training on the rest"
      )
    }
    return try blocks.map { [try TrainingSource($0, of: store, seed: seed)] }
  }

  /// The store that is named, or the best that is there; nil where something is to be recorded first.
  private func present(_ blocks: [BlockName], store name: String?) throws -> ActivationStore? {
    let lookup = StoreLookup(model, in: workspace) { progress.note($0) }
    if let name { return try lookup.named(name).at(steps) }
    // Steps are those of a run that somebody chose: nothing is recorded for them here.
    if let steps { return try lookup.find(nil, of: blocks, atSteps: steps).at(steps) }
    return prompts == nil && limit == nil ? try lookup.best(of: blocks) : nil
  }

  /// What a training takes, and before it the recording where nothing is recorded.
  ///
  /// - Parameter settings: of the dictionaries, for so many vectors of a width.
  /// - Throws: as `stored`.
  public func estimate(
    _ blocks: [BlockName], store name: String?, stream: Bool,
    settings: (_ vectors: Int, _ width: Int) -> [TrainingSettings]
  ) throws -> WorkEstimate {
    defer { progress.clear() }
    var disk = 0
    func works(_ blocks: [BlockName], _ store: ActivationStore, pictures: Int) throws -> [WorkEstimate.Work] {
      try blocks.flatMap { block in
        progress.stage("\(block): training a few steps")
        let stored = try store.manifest.block(block.description)
        let settings = settings(pictures * store.manifest.rows(of: stored), stored.width)
        let places = stored.mapHeight * stored.mapWidth
        disk += WorkEstimate.trainingDisk(
          settings, width: stored.width, measured: stream ? nil : (pictures, places))
        return try WorkEstimate.training(
          settings, of: block.description, in: store, pictures: pictures, measures: !stream)
      }
    }
    if stream {
      let list = try self.list(limit)
      let all = try groups(blocks).flatMap { blocks in
        let collector = try streaming(blocks, list)
        return try collector.sample(beside: workspace.folder) { recording, store in
          let works = try works(blocks, store, pictures: recording.pieces)
          // As many as the steps need, which may be more or fewer than there are.
          let rows = collector.manifest.rows(of: collector.manifest.blocks[0])
          let needed = settings(recording.pieces * rows, collector.manifest.blocks[0].width)[0]
            .vectors(over: recording.pieces * rows)
          return [recording.of(pieces: (needed + rows - 1) / rows)] + works
        }
      }
      return WorkEstimate(all, disk: disk, in: workspace.folder)
    }
    if let store = try present(blocks, store: name) {
      return WorkEstimate(
        try works(blocks, store, pictures: store.pictures), disk: disk, in: workspace.folder)
    }
    let job = try recording(blocks)
    let collector = try job.collector
    let all = try collector.estimate(in: job.store) {
      try works(blocks, $0, pictures: collector.manifest.pictures)
    }
    return WorkEstimate(all.works, disk: disk + all.disk, in: workspace.folder, memory: all.memory)
  }

  /// Vectors made on the way; blocks whose maps are of one size share what is made, and every rank makes a part of it.
  ///
  /// - Throws: as `Collector`.
  public func streamed(
    _ blocks: [BlockName], buffer: Int, _ ranks: any Communicator = Alone()
  ) throws -> [[TrainingSource]] {
    let list = try self.list(limit)
    return try groups(blocks).map { blocks in
      let collector = try streaming(blocks, list)
      let stream = ActivationStream(collector, ranks)
      return try zip(blocks, collector.manifest.blocks).map { block, described in
        try TrainingSource(
          block, stream.rows(of: described, buffer: buffer, seed: seed), collector.manifest, store: nil)
      }
    }
  }

  /// Blocks whose maps are of one size.
  private func groups(_ blocks: [BlockName]) throws -> [[BlockName]] {
    try model.check(blocks)
    let layout = try model.layout
    let levels = Dictionary(grouping: blocks) { layout[$0].level }
    return levels.sorted { $0.key < $1.key }.map(\.value)
  }

  /// What makes the vectors of blocks whose maps are of one size.
  private func streaming(_ blocks: [BlockName], _ list: PromptList) throws -> Collector {
    try Collector(model, prompts: list, Collector.Request(blocks: blocks), settings())
  }

  /// The recording of blocks, of the usual number of prompts unless somebody says how many.
  private func recording(_ blocks: [BlockName]) throws -> CollectionJob {
    let limit = limit ?? (prompts == nil ? CollectionJob.usualLimit : nil)
    return try CollectionJob(
      of: blocks, model, try list(limit), settings(),
      in: workspace)
  }

  private func collect(_ blocks: [BlockName]) throws -> ActivationStore {
    try recording(blocks).newStore(progress)
  }

  /// One step at the model's own size, for which there is memory.
  private func settings() throws -> RunSettings {
    let size = try model.pictureSize
    let settings = try RunSettings(seed: seed, height: size, width: size)
    try progress.checkMemory(of: model, settings, decodes: false)
    return settings
  }
}
