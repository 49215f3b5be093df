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
    let buffer = BufferPool.shared.take(
      BufferPool.capacity(forBytes: count * MemoryLayout<Float>.stride))
    capacity = buffer.capacity
    elements = UnsafeMutableBufferPointer(
      start: buffer.pointer.bindMemory(to: Float.self, capacity: count), count: count)
  }

  deinit {
    BufferPool.shared.give(
      BufferPool.Buffer(capacity: capacity, pointer: UnsafeMutableRawPointer(elements.baseAddress!)))
  }
}

extension Tensor {
  /// Gives the system back what is kept of freed buffers of at least `large` bytes, such as a decoder's feature maps.
  public static func releaseBuffers(of large: Int = 64 << 20) { BufferPool.shared.release(large) }
}

/// Freed buffers of at least `smallest` bytes, for reuse.
private final class BufferPool: Sendable {
  static let shared = BufferPool()

  /// Smaller buffers go to the allocator, which reuses them itself.
  private static let smallest = 1 << 18
  /// The size and alignment of a large page, in bytes.
  private static let hugePage = 1 << 21
  /// The most that is kept for later, in bytes and in buffers.
  private static let mostKept = (bytes: 2 << 30, buffers: 2048)

  // Unchecked: a buffer belongs to the one that took it, or to the pool.
  struct Buffer: @unchecked Sendable {
    let capacity: Int
    let pointer: UnsafeMutableRawPointer
  }

  /// What was given back.
  private struct Kept {
    /// Never grows: giving a buffer back must not fail where memory is short.
    var buffers: [Buffer] = []
    var bytes = 0

    init() { buffers.reserveCapacity(BufferPool.mostKept.buffers) }

    /// Where the smallest buffer that fits is, of these the last one given back: the likeliest to be in the caches.
    func place(fitting capacity: Int) -> Int? {
      var (best, bound) = (Int?.none, 2 * capacity + 1)
      for place in buffers.indices.reversed() where capacity..<bound ~= buffers[place].capacity {
        (best, bound) = (place, buffers[place].capacity)
      }
      return best
    }
  }
  private let kept = Mutex(Kept())

  /// The buffer size for a request: few distinct sizes, so that buffers fit again, at most 1/4 larger.
  static func capacity(forBytes bytes: Int) -> Int {
    guard bytes >= smallest else { return max(64, (bytes + 63) & ~63) }
    let step = 1 << (Int.bitWidth - bytes.leadingZeroBitCount - 3)
    return (bytes + step - 1) & ~(step - 1)
  }

  /// A buffer of this capacity, or of up to twice as much where one was given back.
  func take(_ capacity: Int) -> Buffer {
    let reused = kept.withLock { kept -> Buffer? in
      guard capacity >= Self.smallest, let place = kept.place(fitting: capacity) else { return nil }
      kept.bytes -= kept.buffers[place].capacity
      return kept.buffers.remove(at: place)
    }
    if let reused { return reused }
    OutOfMemory.check(capacity)
    let isHuge = capacity >= 2 * Self.hugePage
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, isHuge ? Self.hugePage : 64, capacity) == 0, let pointer else {
      OutOfMemory(needed: capacity).stop()
    }
    // One fault for 2 MiB, not for 4 KiB, and fewer misses in the address cache.
    if isHuge { madvise(pointer, capacity, Int32(MADV_HUGEPAGE)) }
    return Buffer(capacity: capacity, pointer: pointer)
  }

  func give(_ buffer: Buffer) {
    let keep = kept.withLock { kept in
      guard buffer.capacity >= Self.smallest, kept.bytes + buffer.capacity <= Self.mostKept.bytes,
        kept.buffers.count < Self.mostKept.buffers
      else { return false }
      kept.buffers.append(buffer)
      kept.bytes += buffer.capacity
      return true
    }
    if !keep { free(buffer.pointer) }
  }

  func release(_ smallest: Int) {
    kept.withLock { kept in
      for buffer in kept.buffers where buffer.capacity >= smallest {
        free(buffer.pointer)
        kept.bytes -= buffer.capacity
      }
      kept.buffers.removeAll { $0.capacity >= smallest }
    }
  }
}
