import Foundation
import SDLensSparse
import Synchronization

/// Ranks that are threads of one process.
public final class ThreadRanks: Sendable {
  private struct State {
    var places: [UInt]
    var arrived = 0
    var turn = 0
  }
  private let state: Mutex<State>
  private let count: Int

  private init(_ count: Int) {
    self.count = count
    state = Mutex(State(places: Array(repeating: 0, count: count)))
  }

  /// What `body` makes on each rank, all side by side.
  public static func run<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (any Communicator) throws -> Value
  ) -> [Result<Value, any Error>] {
    let ranks = ThreadRanks(count)
    let results = Results<Value>(count)
    let group = DispatchGroup()
    for rank in 0..<count {
      group.enter()
      let thread = Thread {
        let result = Result { try body(Member(all: ranks, rank: rank)) }
        results.all.withLock { $0[rank] = result }
        group.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    group.wait()
    return results.all.withLock { $0.map { $0! } }
  }

  private final class Results<Value: Sendable>: Sendable {
    let all: Mutex<[Result<Value, any Error>?]>
    init(_ count: Int) { all = Mutex(Array(repeating: nil, count: count)) }
  }

  private struct Member: Communicator {
    let all: ThreadRanks
    let rank: Int
    var count: Int { all.count }

    func gather(_ start: UnsafeMutableRawPointer, _ parts: [Range<Int>]) {
      all.state.withLock { $0.places[rank] = UInt(bitPattern: start) }
      wait()
      let places = all.state.withLock { $0.places }
      for (other, part) in parts.enumerated() where other != rank && !part.isEmpty {
        (start + part.lowerBound * 4).copyMemory(
          from: UnsafeRawPointer(bitPattern: places[other])! + part.lowerBound * 4, byteCount: part.count * 4)
      }
      wait()
    }

    func wait() {
      let turn = all.state.withLock { state in
        let turn = state.turn
        state.arrived += 1
        if state.arrived == all.count { (state.arrived, state.turn) = (0, turn + 1) }
        return turn
      }
      while all.state.withLock({ $0.turn == turn }) { sched_yield() }
    }
  }
}
