import Foundation
import SDLensCore

/// One computation at a time, in turn for all tabs; of one kind and tab only the newest request counts.
final class Turns: @unchecked Sendable {
  // All of it is used under the lock of the condition.
  private let condition = NSCondition()
  private var waiting: [Turn] = []
  private var running: Turn?
  /// When each tab had its last turn.
  private var served: [String: Int] = [:]
  private var count = 0
  /// Whose model is in memory; only that of the turn that runs is asked.
  private var explorer: Explorer?

  /// The most requests that wait.
  static let mostWaiting = 64

  /// A request that waits, or is computed.
  final class Turn: @unchecked Sendable {
    let tab: String
    let lane: String
    // Set under the lock, read without it: a flag that only ever becomes true.
    fileprivate let isSuperseded = Flag()

    fileprivate init(tab: String, lane: String) { (self.tab, self.lane) = (tab, lane) }

    /// Ends the computation when a newer request has come.
    ///
    /// - Throws: `Superseded`.
    func check() throws { if isSuperseded.isSet { throw Superseded() } }
  }

  /// The lane of what a person waits for, which goes first.
  static let view = "view"

  /// Computes when it is its turn.
  ///
  /// - Parameter isGone: whether the client that asked has gone, which is asked now and then.
  /// - Throws: `Superseded`, `Refusal` when too many wait, and what `body` throws.
  func take<Value>(
    tab: String, lane: String, isGone: () -> Bool, _ body: (Turn) throws -> Value
  ) throws -> Value {
    let turn = Turn(tab: tab, lane: lane)
    condition.lock()
    for other in waiting + (running.map { [$0] } ?? []) where other.tab == tab && other.lane == lane {
      other.isSuperseded.set()
    }
    guard waiting.count < Self.mostWaiting else {
      condition.unlock()
      throw Refusal(503, "\(Self.mostWaiting) requests are waiting already; try again in a moment")
    }
    waiting.append(turn)
    condition.broadcast()
    while !(running == nil && next === turn) {
      if turn.isSuperseded.isSet || isGone() {
        waiting.removeAll { $0 === turn }
        condition.broadcast()
        condition.unlock()
        throw Superseded()
      }
      _ = condition.wait(until: Date(timeIntervalSinceNow: 0.25))
    }
    waiting.removeAll { $0 === turn }
    running = turn
    count += 1
    served[tab] = count
    // Tabs that were closed long ago are forgotten.
    if served.count > 256 { served = served.filter { count - $0.value < 128 } }
    condition.unlock()
    defer {
      condition.lock()
      running = nil
      condition.broadcast()
      condition.unlock()
    }
    try turn.check()
    return try body(turn)
  }

  /// The turn that runs is of a model; another one that was in memory is let go of.
  func enter(_ next: Explorer) {
    let last = condition.withLock { () -> Explorer? in
      defer { explorer = next }
      return explorer
    }
    if let last, last !== next { last.release() }
  }

  /// Whose turn it is: the tab that waits longest since its last one, and in it what a person waits for.
  private var next: Turn? {
    waiting.filter { !$0.isSuperseded.isSet }.enumerated().min { a, b in
      rank(a.element, a.offset) < rank(b.element, b.offset)
    }?.element
  }

  private func rank(_ turn: Turn, _ place: Int) -> (Int, Int, Int) {
    (served[turn.tab] ?? 0, turn.lane == Self.view ? 0 : 1, place)
  }
}

/// A newer request has come, or nobody waits for the answer any more.
struct Superseded: Error {}

/// A flag that becomes true once.
final class Flag: @unchecked Sendable {
  private let lock = NSLock()
  private var value = false
  var isSet: Bool { lock.withLock { value } }
  func set() { lock.withLock { value = true } }
}
