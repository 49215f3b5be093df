import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What a store lacks, and the commands that make it whole.
public struct StoreRepair: Sendable {
  /// Numbers of the shards that are not there.
  public let missing: [Int]
  /// Numbers of those that are there and cannot be used.
  public let damaged: [Int]
  /// Files with the name of a shard and something more, which nobody reads.
  public let doubled: [String]
  /// Files that a process is writing, or was killed while it wrote them; the latter go with a later `collect`.
  public let unfinished: [String]
  private let folder: String
  private let manifest: ActivationManifest

  /// Looks what is wrong with a store.
  ///
  /// - Parameter problems: what `ActivationStore` found of its shards.
  public init(_ store: ActivationStore, problems: [UnusableShard]) {
    (folder, manifest, missing) = (store.folder, store.manifest, store.missing)
    damaged = problems.map(\.index).sorted()
    doubled = ActivationStore.copies(in: store.folder)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: store.folder)) ?? []
    unfinished = names.filter(AtomicFile.isUnfinished).sorted()
  }

  /// The shards that must be made.
  private var todo: [Int] { (missing + damaged).sorted() }

  /// Takes away what is damaged; without it, nothing is made in its place. Nil where nothing is.
  public var removal: String? {
    guard !damaged.isEmpty else { return nil }
    let paths = damaged.map { ActivationStore.path(ofShard: $0, in: folder).shellWord }
    return "rm \(paths.joined(separator: " "))"
  }

  /// Makes what is to be made; nil where nothing is, where another program recorded the store, or where it lies in no
  /// workspace.
  ///
  /// - Parameter model: the one that recorded it, if it is there: then it is seen whether its own prompts were taken.
  public func command(_ model: ModelFolder?) -> String? {
    guard !todo.isEmpty, let options = options(model) else { return nil }
    return "sdlens collect \(options)"
  }

  /// The same as an array of Slurm, whose tasks are the parts with something to make.
  public func array(_ model: ModelFolder?) -> String? {
    guard !todo.isEmpty, let options = options(model) else { return nil }
    // As many as an array may have where nobody has set another limit.
    let parts = min(manifest.shards, 1000)
    let tasks = Set(todo.map { $0 % parts + 1 }).sorted()
    return "sbatch --array=\(Self.ranges(tasks)) Scripts/slurm/collect \(parts) \(options)"
  }

  /// As in `3,7-9`.
  public static func ranges(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  /// The options that ask for this store again.
  private func options(_ model: ModelFolder?) -> String? {
    let name = (folder as NSString).lastPathComponent
    let parent = folder.folderOfPath
    guard manifest.origin == nil, (parent as NSString).lastPathComponent == "activations" else { return nil }
    let workspace = parent.folderOfPath
    let isModel =
      (try? model?.fingerprint().description) == manifest.modelFingerprint
      && model?.titledOptions == manifest.modelOptions ?? []
    // Of a model of the same name, given with something more or less, place and prompts are known.
    let known = model.flatMap { $0.title == manifest.model ? $0 : nil }
    let own = known.flatMap { try? PromptList(of: $0, limit: manifest.pictures) }
    var words = ["--model", known?.name ?? manifest.model]
    words += isModel ? model!.options : manifest.modelOptions ?? []
    switch manifest.engine?.split(separator: "-", maxSplits: 1).map(String.init) {
    case nil: break
    case let parts? where parts.count == 2: words += ["--engine", parts[0], "--precision", parts[1]]
    case let parts?: words += ["--engine", parts[0]]
    }
    if own?.fingerprint == manifest.prompts {
      words += ["--limit", "\(manifest.pictures)"]
    } else {
      words += ["--prompts", "THE-SAME-FILE", "--limit", "\(manifest.pictures)"]
    }
    words += ["--block"] + manifest.blocks.map(\.name)
    if manifest.site.hasPrefix("heads.") {
      words += ["--site", "heads", "--layer", String(manifest.site.dropFirst("heads.".count))]
    } else if manifest.site != "update" {
      words += ["--site", manifest.site]
    }
    if let places = manifest.places { words += ["--sample-places", "\(places)"] }
    words += ["--dtype", manifest.dtype.rawValue, "--shard-size", "\(manifest.picturesPerShard)"]
    words += ["--seed", "\(manifest.seed)"]
    // Given timesteps are as many as there are steps.
    if !words.contains("--timesteps") { words += ["--steps", "\(manifest.steps)"] }
    if let steps = manifest.atSteps { words += ["--at-step"] + steps.map(String.init) }
    words += ["--guidance", "\(manifest.guidance)"]
    words += ["--height", "\(manifest.height)", "--width", "\(manifest.width)"]
    words += ["--workspace", workspace.isEmpty ? "." : workspace, "--name", name]
    return words.map(\.shellWord).joined(separator: " ")
  }
}
