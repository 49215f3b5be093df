import Foundation
import Synchronization

/// The one way to use several cores: disjoint pieces of work, run side by side.
public enum Parallel {
  /// How many threads work side by side: as many as the machine lets compute, or what `--threads` says once.
  public static var threads: Int {
    get { chosenThreads.load(ordering: .relaxed) }
    set { chosenThreads.store(max(1, newValue), ordering: .relaxed) }
  }

  private static let chosenThreads = Atomic(Processor.threads)

  /// Calls `body` once for each index in `0..<count`, on all threads; the calls must touch disjoint data.
  public static func forEach(_ count: Int, _ body: (Int) -> Void) {
    let workers = min(threads, count)
    guard workers > 1 else {
      for index in 0..<count { body(index) }
      return
    }
    WorkerPool.shared.run(count, threads: workers, body)
  }

  /// The values of `body` for each index in `0..<count`, made on all threads.
  public static func map<Value>(_ count: Int, _ body: (Int) -> Value) -> [Value] {
    [Value](unsafeUninitializedCapacity: count) { values, made in
      // Disjoint: each call makes its own value.
      forEach(count) { values.initializeElement(at: $0, to: body($0)) }
      made = count
    }
  }

  /// The same where `body` may fail; the error of the first index that has one is thrown.
  public static func results<Value>(_ count: Int, _ body: (Int) throws -> Value) throws -> [Value] {
    try map(count) { index in Result { try body(index) } }.map { try $0.get() }
  }

  /// Calls `body` once for each pair of indices; those of one first index come together.
  package static func forEach(_ m: Int, _ n: Int, _ body: (Int, Int) -> Void) {
    forEach(m * n) { body($0 / n, $0 % n) }
  }

  /// Calls `body` once for each triple of indices, in the order of three nested loops.
  package static func forEach(_ l: Int, _ m: Int, _ n: Int, _ body: (Int, Int, Int) -> Void) {
    forEach(l * m * n) { body($0 / n / m, $0 / n % m, $0 % n) }
  }

  /// Splits `0..<count` into ranges of at least `grain` and calls `body` for each, on all threads.
  ///
  /// There are a few more ranges than threads, so that a slow thread is not waited for.
  public static func forRanges(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let pieces = threads == 1 ? 1 : max(1, min(threads * 4, count / max(1, grain)))
    forEach(pieces) { piece in
      body(count * piece / pieces..<count * (piece + 1) / pieces)
    }
  }
}
