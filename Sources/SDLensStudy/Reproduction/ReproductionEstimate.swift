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
    let times = try work.isEmpty ? [:] : Self.times(of: all, study)
    parts = work.map { Part(name: $0, seconds: $1.seconds(by: times), bytes: $1.bytes) }
    free = WorkEstimate(Array(times.values), disk: all.bytes, in: study.workspace.folder).diskFree
    threads = Parallel.threads
  }

  /// Some pieces of each kind of which there are some, timed.
  private static func times(of work: Work, _ study: Reproduction) throws -> [Work.Kind: WorkEstimate.Work] {
    var times: [Work.Kind: WorkEstimate.Work] = [:]
    func time(
      _ kind: Work.Kind, atOnce: Int = 1, calls: Int, _ body: (_ call: Int) throws -> Void
    ) rethrows {
      times[kind] = try .measured(
        kind.rawValue, "pieces", pieces: work[kind], atOnce: atOnce, calls: calls, body)
    }
    let settings = try study.runSettings()
    let all = try study.prompts()
    let prompts = all.part(0..<min(8, all.prompts.count))
    let collector = try Collector(
      study.model, prompts: prompts, Collector.Request(blocks: BlockName.studied), settings)
    let batch = min(collector.request.batch, prompts.prompts.count)
    var vectors: [Tensor] = []
    try time(.recorded, atOnce: batch, calls: 1 + prompts.prompts.count / batch) { call in
      let start = max(0, call - 1) * batch
      vectors = try collector.record(Array(start..<start + batch)).vectors
    }
    let laboratory = Laboratory(study.model)
    var pictures: [Picture] = []
    if work[.pictures] + work[.edited] + work[.runs] > 0 {
      let pipeline = try laboratory.pipeline
      let few = min(4, prompts.prompts.count)
      func trace(_ index: Int) throws -> Pipeline.Trace {
        var own = settings
        own.seed = own.seed + index
        return try pipeline.sample(laboratory.embeddings(of: prompts.prompts[index], own), own)
      }
      try time(.runs, calls: 1 + few) { _ = try trace(max(0, $0 - 1)) }
      try time(.pictures, calls: 1 + few) { call in
        pictures.append(try laboratory.picture(trace(max(0, call - 1))))
        _ = try PNG.encode(pictures[call])
      }
    }
    if work[.steps] + work[.evaluated] > 0 {
      let rows = vectors[0].reshaped([vectors[0].shape.count / vectors[0].width, vectors[0].width])
      var grid = TrainingPart.grid(
        study, vectors: all.prompts.count * rows.rows / batch, width: rows.width)
      for index in grid.indices { grid[index].steps = 6 }
      try grid.checkMemory(width: rows.width, of: grid.map(\.title).joined(separator: "+"))
      let source = RepeatedRows(rows)
      var trainer: Trainer?
      try time(.trainings, calls: 1) { _ in
        trainer = try Trainer(source: source, settings: grid)
        _ = try trainer?.step()
      }
      try time(.steps, calls: 4) { _ in _ = try trainer?.step() }
      time(.evaluated, atOnce: batch, calls: 1) { _ in
        for dictionary in grid.indices.compactMap({ trainer?.autoencoder($0) }) {
          var variance = ExplainedVariance(width: rows.width)
          variance.add(rows, dictionary.decode(dictionary.encode(rows)))
        }
      }
    }
    if work[.looks] > 0, let folder = try study.clipFolder() {
      let clip = try CLIP(folder: folder)
      try time(.looks, atOnce: pictures.count, calls: 2) { _ in
        _ = try clip.embeddings(of: pictures, cache: nil)
      }
    }
    return times
  }

  /// Refuses what surely has no room.
  ///
  /// - Throws: `NoRoom`.
  public func check(_ folder: String) throws {
    guard bytes <= free else { throw NoRoom(folder: folder, needed: bytes, free: free) }
  }

  /// A line for each part, and the sum.
  public var table: String {
    let rows = parts.map { [$0.name, Units.time(.seconds($0.seconds)), Units.bytes($0.bytes)] }
    return (rows.isEmpty ? "" : Table(left: [0], [["Part", "about", "writes"]] + rows).text + "\n") + text
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
