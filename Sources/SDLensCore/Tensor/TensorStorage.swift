import Foundation
import Synchronization

/// The elements of one or several tensors: 64-byte-aligned floats, freed with the last reference.
///
/// Big buffers are kept after use and handed out again: the pages of a fresh one cost more time to
/// clear than most of the operations that would fill it.
final class TensorStorage: @unchecked Sendable {
  // Unchecked: written only by `Tensor`, which holds the one reference when it does.
  let elements: UnsafeMutableBufferPointer<Float>
  private let capacity: Int

  init(count: Int) {
    capacity = BufferPool.capacity(forBytes: count * MemoryLayout<Float>.stride)
    let base = BufferPool.shared.take(capacity)
    elements = UnsafeMutableBufferPointer(
      start: base.bindMemory(to: Float.self, capacity: count), count: count)
  }

  deinit { BufferPool.shared.give(UnsafeMutableRawPointer(elements.baseAddress!), capacity) }
}

extension Tensor {
  /// Gives the system back what is kept of freed buffers of at least `large` bytes, such as a decoder's feature maps.
  public static func releaseBuffers(of large: Int = 64 << 20) { BufferPool.shared.release(large) }
}

/// Freed buffers of at least `smallest` bytes, by size, for reuse.
private final class BufferPool: Sendable {
  static let shared = BufferPool()

  /// Smaller buffers go to the allocator, which reuses them itself.
  private static let smallest = 1 << 18
  /// The size and alignment of a large page, in bytes.
  private static let hugePage = 1 << 21
  /// The most that is kept for later, in bytes.
  private static let mostKept = 2 << 30

  private struct State {
    var free: [Int: [UnsafeMutableRawPointer]] = [:]
    var bytes = 0
  }
  // Unsafe pointers are not Sendable; the lock makes each the property of one thread at a time.
  private nonisolated(unsafe) var state = State()
  private let lock = Mutex(())

  /// The buffer size for a request: few distinct sizes, so that buffers fit again, at most 1/4 larger.
  static func capacity(forBytes bytes: Int) -> Int {
    guard bytes >= smallest else { return max(64, (bytes + 63) & ~63) }
    let step = 1 << (Int.bitWidth - bytes.leadingZeroBitCount - 3)
    return (bytes + step - 1) & ~(step - 1)
  }

  func take(_ capacity: Int) -> UnsafeMutableRawPointer {
    let kept = lock.withLock { _ -> UnsafeMutableRawPointer? in
      guard let pointer = state.free[capacity]?.popLast() else { return nil }
      state.bytes -= capacity
      return pointer
    }
    if let kept { return kept }
    OutOfMemory.check(capacity)
    let isHuge = capacity >= 2 * Self.hugePage
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, isHuge ? Self.hugePage : 64, capacity) == 0, let pointer else {
      OutOfMemory(needed: capacity).stop()
    }
    // One fault for 2 MiB, not for 4 KiB, and fewer misses in the address cache.
    if isHuge { madvise(pointer, capacity, Int32(MADV_HUGEPAGE)) }
    return pointer
  }

  func give(_ pointer: UnsafeMutableRawPointer, _ capacity: Int) {
    let keep = lock.withLock { _ -> Bool in
      guard capacity >= Self.smallest, state.bytes + capacity <= Self.mostKept else { return false }
      state.free[capacity, default: []].append(pointer)
      state.bytes += capacity
      return true
    }
    if !keep { free(pointer) }
  }

  func release(_ smallest: Int) {
    let released = lock.withLock { _ -> [UnsafeMutableRawPointer] in
      let large = state.free.filter { $0.key >= smallest }
      for (capacity, pointers) in large {
        state.free[capacity] = nil
        state.bytes -= capacity * pointers.count
      }
      return large.values.flatMap(\.self)
    }
    for pointer in released { free(pointer) }
  }
}
