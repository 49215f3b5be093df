import CKernels
import Foundation
import Synchronization

/// The threads behind `Parallel`, which stay awake for a moment after each job.
///
/// A pass is thousands of jobs, some shorter than the 40 to 80 µs that waking a sleeping thread takes and that
/// every job of Dispatch's `concurrentPerform` costs. A worker that has nothing to do looks for the next job
/// for about 100 µs before it sleeps.
final class WorkerPool: Sendable {
  static let shared = WorkerPool()

  /// Whether a job can be joined (bit 0), how many workers are in it (bits 1 to 15), and its number.
  private let state = Atomic<UInt64>(0)
  private static let (open, worker, job): (UInt64, UInt64, UInt64) = (1, 2, 1 << 16)
  /// How many times a thread pauses before it lets others have its core: about 100 µs.
  private static let patience = 4000

  private let isTaken = Atomic(false)
  private let sleepers = Atomic(0)
  private let bell = NSCondition()

  // The job at hand: written while no worker is in it.
  nonisolated(unsafe) private var body: (Int) -> Void = { _ in }
  private let count = Atomic(0)
  private let next = Atomic(0)
  private let helpers = Atomic(0)
  nonisolated(unsafe) private var workers = 0

  /// Calls `body` once for each index in `0..<count`, on `threads` threads with the caller's; on the caller's
  /// alone while the pool has another job, such as the one that this call is a part of.
  func run(_ count: Int, threads: Int, _ body: (Int) -> Void) {
    guard isTaken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
      for index in 0..<count { body(index) }
      return
    }
    withoutActuallyEscaping(body) { body in
      self.body = body
      self.count.store(count, ordering: .relaxed)
      next.store(0, ordering: .relaxed)
      helpers.store(threads - 1, ordering: .relaxed)
      while workers < threads - 1 { addWorker() }
      state.wrappingAdd(Self.job + Self.open, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        bell.lock()
        bell.broadcast()
        bell.unlock()
      }
      takePart()
      state.bitwiseAnd(~Self.open, ordering: .acquiringAndReleasing)
      var pauses = 0
      while state.load(ordering: .acquiring) % Self.job != 0 {
        kernel_pause()
        pauses += 1
        // A worker may need this very core.
        if pauses > Self.patience { sched_yield() }
      }
      self.body = { _ in }
    }
    isTaken.store(false, ordering: .releasing)
  }

  private func takePart() {
    let count = count.load(ordering: .relaxed)
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      if index >= count { return }
      body(index)
    }
  }

  private func addWorker() {
    workers += 1
    let thread = Thread { [self] in
      var last = state.load(ordering: .relaxed) / Self.job
      while true {
        if let joined = join(after: last) {
          takePart()
          state.wrappingSubtract(Self.worker, ordering: .acquiringAndReleasing)
          last = joined
        } else {
          sleep(after: last)
        }
      }
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// The number of the job that the calling worker has joined, nil when none came in time.
  private func join(after last: UInt64) -> UInt64? {
    for _ in 0..<Self.patience {
      let seen = state.load(ordering: .acquiring)
      let inside = seen % Self.job / Self.worker
      if isOpen(seen, after: last), inside < helpers.load(ordering: .relaxed),
        state.compareExchange(
          expected: seen, desired: seen + Self.worker, ordering: .acquiringAndReleasing
        ).exchanged
      {
        return seen / Self.job
      }
      kernel_pause()
    }
    return nil
  }

  private func isOpen(_ state: UInt64, after last: UInt64) -> Bool {
    state & Self.open != 0 && state / Self.job != last
  }

  /// Returns when there is another job.
  private func sleep(after last: UInt64) {
    bell.lock()
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    while !isOpen(state.load(ordering: .sequentiallyConsistent), after: last) { bell.wait() }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    bell.unlock()
  }
}
