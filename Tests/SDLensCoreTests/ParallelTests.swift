import Dispatch
import SDLensCore
import SDLensTestSupport
import Synchronization
import Testing

/// Every piece of work is done once, whoever asks for it and however often.
@Suite struct ParallelTests {
  /// How often each of `count` pieces was done.
  private func calls(_ count: Int, _ body: @Sendable (Int) -> Void = { _ in }) -> [Int] {
    let calls = Mutex(Array(repeating: 0, count: count))
    Parallel.forEach(count) { index in
      body(index)
      calls.withLock { $0[index] += 1 }
    }
    return calls.withLock { $0 }
  }

  @Test(arguments: [1, 2, 3, 9]) func everyPieceIsDoneOnce(threads: Int) {
    withThreads(threads) {
      for count in 0..<200 { #expect(calls(count) == Array(repeating: 1, count: count)) }
    }
  }

  @Test func piecesMayBeCutFurther() {
    withThreads(3) {
      let inner = Mutex(0)
      #expect(calls(5) { _ in Parallel.forEach(7) { _ in inner.withLock { $0 += 1 } } } == [1, 1, 1, 1, 1])
      #expect(inner.withLock { $0 } == 35)
    }
  }

  @Test func severalThreadsMayAskAtOnce() {
    let done = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<100 {
        if calls(11) == Array(repeating: 1, count: 11) { done.withLock { $0 += 1 } }
      }
    }
    #expect(done.withLock { $0 } == 800)
  }

  // Workers fall asleep between the jobs.
  @Test func workIsDoneAfterARest() async throws {
    for _ in 0..<5 {
      try await Task.sleep(for: .milliseconds(20))
      #expect(calls(6) == [1, 1, 1, 1, 1, 1])
    }
  }

  @Test(arguments: [0, 1, 5, 100], [1, 7]) func rangesCoverAll(count: Int, grain: Int) {
    withThreads(2) {
      let ranges = Mutex([Range<Int>]())
      Parallel.forRanges(count, grain: grain) { range in ranges.withLock { $0.append(range) } }
      let sorted = ranges.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
      #expect(sorted.flatMap { Array($0) } == Array(0..<count))
      #expect(sorted.count == 1 || sorted.allSatisfy { $0.count >= min(grain, count) })
    }
  }
}
