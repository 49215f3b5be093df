import Foundation
import SDLensCore

private let lock = NSRecursiveLock()

/// Runs `body` with that number of threads, while no other test runs under this function.
///
/// Tests run side by side in one process, where the number of threads is one for all.
public func withThreads<R>(_ count: Int, _ body: () throws -> R) rethrows -> R {
  try lock.withLock {
    let before = Parallel.threads
    Parallel.threads = count
    defer { Parallel.threads = before }
    return try body()
  }
}
