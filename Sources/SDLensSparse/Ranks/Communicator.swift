/// Processes that compute one training together, as those of an `mpirun`; each has a rank, counted from 0.
///
/// Every rank computes a part of each step, or some of the dictionaries, and gets the other parts from the others. Nothing
/// is added up across ranks: each number is computed by one of them, as a process alone computes it, so that a training is
/// the same bytes on any number of ranks.
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
  /// What one rank has is then on all of them.
  func share(_ start: UnsafeMutableRawPointer, words: Int, from owner: Int) {
    gather(start, (0..<count).map { $0 < owner ? 0..<0 : $0 == owner ? 0..<words : words..<words })
  }

  /// The texts of all ranks, in their order.
  package func texts(_ own: [UInt8]) -> [[UInt8]] {
    let sizes = joined([Int32(own.count)])
    // In words, the last of them filled up.
    let padded = own + Array(repeating: 0, count: -own.count & 3)
    let words = stride(from: 0, to: padded.count, by: 4).map { start in
      padded.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: UInt32.self) }
    }
    var rest = joined(words)[...]
    return sizes.map { size in
      let count = (Int(size) + 3) / 4
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count).withUnsafeBytes { Array($0.prefix(Int(size))) }
    }
  }

  /// The lists of all ranks, one behind the other.
  package func joined<Value: BitwiseCopyable>(_ own: [Value]) -> [Value] {
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
