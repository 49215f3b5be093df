/// Processes that compute one training together, as those of an `mpirun`; each has a rank, counted from 0.
///
/// Every rank computes a part of each step and gets the other parts from the others. Nothing is added up across ranks:
/// each number is computed by one of them, as a process alone computes it, so that a training is the same bytes on any
/// number of ranks.
public protocol Communicator: Sendable {
  /// Which one this process is.
  var rank: Int { get }
  /// How many there are.
  var count: Int { get }
  /// Fills a place in memory on all ranks: each brings its own part and gets those of the others.
  ///
  /// - Parameters:
  ///   - start: where the parts lie, words of four bytes.
  ///   - parts: the words of each rank, side by side in the order of the ranks; the same on all.
  func gather(_ start: UnsafeMutableRawPointer, _ parts: [Range<Int>])
  /// Returns when all ranks have come here; leaves the processor to others meanwhile.
  func wait()
}

/// A process that trains alone.
public struct Alone: Communicator {
  /// See `Communicator`.
  public var rank: Int { 0 }
  /// See `Communicator`.
  public var count: Int { 1 }

  /// One rank.
  public init() {}

  /// See `Communicator`.
  public func gather(_ start: UnsafeMutableRawPointer, _ parts: [Range<Int>]) {}
  /// See `Communicator`.
  public func wait() {}
}

extension Communicator {
  /// The lists of all ranks, one behind the other.
  func joined<Value: BitwiseCopyable>(_ own: [Value]) -> [Value] {
    guard count > 1 else { return own }
    let words = MemoryLayout<Value>.stride / 4
    var sizes = [Int32](repeating: 0, count: count)
    sizes[rank] = Int32(own.count)
    gather(&sizes, (0..<count).map { $0..<$0 + 1 })
    let ends = sizes.reduce(into: [0]) { $0.append($0.last! + Int($1)) }
    guard ends.last! > 0 else { return [] }
    return [Value](unsafeUninitializedCapacity: ends.last!) { all, made in
      _ = all[ends[rank]...].update(fromContentsOf: own)
      gather(all.baseAddress!, zip(ends, ends.dropFirst()).map { $0 * words..<$1 * words })
      made = all.count
    }
  }
}

extension Codes {
  /// The rows of all ranks, one behind the other.
  func joined(by ranks: any Communicator) -> Codes {
    guard ranks.count > 1 else { return self }
    let sizes = ranks.joined(zip(starts.dropFirst(), starts).map { Int32($0 - $1) })
    return Codes(
      starts: sizes.reduce(into: [0]) { $0.append($0.last! + Int($1)) }, indices: ranks.joined(indices),
      values: ranks.joined(values))
  }
}
