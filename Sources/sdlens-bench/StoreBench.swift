import ArgumentParser
import SDLensCore
import SDLensSparse

/// Times the opening of a store, and reading it in random order as a training does.
struct StoreBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store",
    abstract: "Times opening a store of activations and reading it in random order.",
    discussion: """
      Prints the seconds of opening, the vectors a second of reading batches of 4096, in which every shard is compared \
      with its checksum the first time, and the most memory held.
      """)

  @Argument(help: "The folder of the store.") var store: String
  @Option(help: "A block of it (default: the first).") var block: String?
  @Option(help: "Batches to read.") var batches = 200
  @Option(help: "Threads (default: all cores).") var threads = Parallel.threads
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    Parallel.threads = threads
    let start = ContinuousClock.now
    let store = try ActivationStore(store)
    let opening = (ContinuousClock.now - start) / .seconds(1)
    let opened = Memory.peak
    let rows = ShuffledRows(try store.activations(of: block ?? store.manifest.blocks[0].name), seed: 42)
    let begin = ContinuousClock.now
    var (read, place) = (0, 0)
    for _ in 0..<batches {
      let end = min(rows.count, place + 4096)
      read += try rows.rows(place..<end, epoch: 0).rows
      place = end < rows.count ? end : 0
    }
    let reading = (ContinuousClock.now - begin) / .seconds(1)
    let rate = Int(Double(read) / reading)
    if json {
      print(
        "{\"shards\": \(store.shards.count), \"damaged\": \(store.damaged.count), \"open_seconds\": \(opening), "
          + "\"open_memory\": \(opened), \"vectors_per_second\": \(rate), \"width\": \(rows.width), "
          + "\"memory\": \(Memory.peak)}")
    } else {
      print(
        "open \(opening) s, \(store.shards.count) shards, \(store.damaged.count) damaged, \(opened >> 20) MiB"
      )
      print("read \(rate) vectors/s of width \(rows.width), \(Memory.peak >> 20) MiB")
    }
  }
}
