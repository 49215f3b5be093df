import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensSparse

/// What a reproduction will take, from some pictures and steps that were timed.
public struct ReproductionEstimate: Encodable, Sendable {
  /// A part that is not done yet.
  public struct Part: Encodable, Sendable {
    /// Its word.
    public let name: String
    /// How long it will take.
    public let seconds: Double
    /// What it will write.
    public let bytes: Int
  }

  /// In the order in which they are done.
  public let parts: [Part]
  /// How long all will take.
  public var seconds: Double { parts.reduce(0) { $0 + $1.seconds } }
  /// What all will write.
  public var bytes: Int { parts.reduce(0) { $0 + $1.bytes } }
  /// What is free where it will be written.
  public let free: Int
  /// Threads that compute.
  public let threads: Int

  private enum CodingKeys: CodingKey { case parts, seconds, bytes, free, threads }

  /// With the sums.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(parts, forKey: .parts)
    try container.encode(seconds, forKey: .seconds)
    try container.encode(bytes, forKey: .bytes)
    try container.encode(free, forKey: .free)
    try container.encode(threads, forKey: .threads)
  }

  /// Times what the work is made of.
  init(of work: [(part: String, work: Work)], for study: Reproduction) throws {
    let all = work.reduce(Work()) { $0 + $1.work }
    let times = try work.isEmpty ? UnitTimes() : UnitTimes(for: all, study)
    parts = work.map { part, work in
      Part(name: part, seconds: times.seconds(work), bytes: work.bytes)
    }
    free = Disk.free(at: study.workspace.folder)
    threads = Parallel.threads
  }

  /// Refuses what surely has no room.
  ///
  /// - Throws: `NoRoom`.
  public func check(_ folder: String) throws {
    guard bytes <= free else { throw NoRoom(folder: folder, needed: bytes, free: free) }
  }

  /// As in `12 parts, about 21 min 3 s on 2 threads and 1.2 GB of 54 GB that are free`.
  public var text: String {
    parts.isEmpty
      ? "all is done already"
      : "\(parts.count) \(parts.count == 1 ? "part" : "parts"), about \(Units.time(.seconds(seconds))) on \(threads) "
        + "\(threads == 1 ? "thread" : "threads") and \(Units.bytes(bytes)) of \(Units.bytes(free)) that are free"
  }
}

/// A disk without room for what will be written.
public struct NoRoom: UserError {
  let folder: String
  let needed: Int
  let free: Int
  /// Both sizes, and how to need less.
  public var description: String {
    "the reproduction will write about \(Units.bytes(needed)), but \(Units.bytes(free)) are free where '\(folder)' lies; "
      + "choose fewer prompts with --limit, smaller dictionaries with --features, or another --workspace"
  }
}

/// How long a piece of each kind takes, in seconds.
private struct UnitTimes {
  private var recorded = 0.0, picture = 0.0, run = 0.0, start = 0.0, step = 0.0, surveyed = 0.0, look = 0.0

  /// Nothing is timed.
  init() {}

  /// Times those kinds of which there are some.
  init(for work: Work, _ study: Reproduction) throws {
    let settings = try study.runSettings()
    let all = try study.prompts()
    let prompts = all.part(0..<min(8, all.prompts.count))
    let collector = try Collector(
      study.model, prompts: prompts, Collector.Request(blocks: BlockName.studied), settings)
    let numbers = Array(prompts.prompts.indices)
    // The first of everything reads weights.
    _ = try collector.record([0])
    var vectors: [Tensor] = []
    recorded = try Self.time(numbers.count) {
      for start in stride(from: 0, to: numbers.count, by: collector.request.batch) {
        vectors = try collector.record(Array(numbers[start...].prefix(collector.request.batch))).vectors
      }
    }
    let laboratory = Laboratory(study.model)
    var pictures: [Picture] = []
    if work.pictures + work.runs > 0 {
      let pipeline = try laboratory.pipeline
      func trace(_ index: Int) throws -> Pipeline.Trace {
        var own = settings
        own.seed = own.seed + index
        return try pipeline.sample(laboratory.embeddings(of: prompts.prompts[index], own), own)
      }
      _ = try laboratory.picture(trace(0))
      let few = min(4, numbers.count)
      run = try Self.time(few) { for index in 0..<few { _ = try trace(index) } }
      picture = try Self.time(few) {
        for index in 0..<few {
          pictures.append(try laboratory.picture(trace(index)))
          _ = try PNG.encode(pictures[index])
        }
      }
    }
    if work.steps + work.surveyed > 0 {
      try timeTraining(vectors[0], study)
    }
    if work.looks > 0 {
      if let folder = try study.clipFolder() {
        let clip = try CLIP(folder: folder)
        _ = try clip.embeddings(of: pictures, cache: nil)
        look = try Self.time(pictures.count) { _ = try clip.embeddings(of: pictures, cache: nil) }
      }
    }
  }

  /// Some steps on the vectors of one block, and a look at them with all dictionaries.
  private mutating func timeTraining(_ vectors: Tensor, _ study: Reproduction) throws {
    let pictures = vectors.shape[0]
    let rows = vectors.reshaped([vectors.shape.count / vectors.width, vectors.width])
    var grid = TrainingPart.grid(
      study, vectors: try study.prompts().prompts.count * rows.rows / pictures, width: rows.width)
    for index in grid.indices {
      grid[index].steps = 6
    }
    let watch = Stopwatch()
    let trainer = try Trainer(source: RepeatedRows(rows), settings: grid)
    _ = try trainer.step()
    start = watch.total / .seconds(1)
    step = try Self.time(3) { for _ in 0..<3 { _ = try trainer.step() } }
    let dictionaries = grid.indices.map(trainer.autoencoder)
    surveyed = Self.time(pictures) {
      for dictionary in dictionaries {
        let codes = dictionary.encode(rows)
        var variance = ExplainedVariance(width: rows.width)
        variance.add(rows, dictionary.decode(codes))
      }
    }
  }

  private static func time(_ count: Int, _ body: () throws -> Void) rethrows -> Double {
    let watch = Stopwatch()
    try body()
    return watch.total / .seconds(1) / Double(max(1, count))
  }

  func seconds(_ work: Work) -> Double {
    Double(work.recorded) * recorded + Double(work.pictures) * picture + Double(work.runs) * run
      + Double(work.trainings) * start + Double(work.steps) * step + Double(work.surveyed) * surveyed
      + Double(work.looks) * look
      + work.seconds
  }
}

/// A few vectors, again and again.
private final class RepeatedRows: RowSource {
  private let vectors: Tensor
  var width: Int { vectors.width }
  let count = 1 << 20

  init(_ vectors: Tensor) { self.vectors = vectors }

  func rows(_ range: Range<Int>, epoch: Int) throws -> Tensor {
    var pieces: [Tensor] = []
    var next = range.lowerBound
    while next < range.upperBound {
      let start = next % vectors.rows
      let end = min(vectors.rows, start + range.upperBound - next)
      pieces.append(vectors.rows(start..<end))
      next += end - start
    }
    return Tensor(pieces.flatMap(\.elements), [range.count, width])
  }
}
