import SDLensCore
import SDLensSparse

/// Vectors in memory, in the order given in every epoch unless shuffled.
final class MemorySource: RowSource {
  private let vectors: Tensor
  private let isShuffled: Bool
  let isCollective: Bool
  private(set) var reads: [(range: Range<Int>, epoch: Int)] = []
  var width: Int { vectors.width }
  var count: Int { vectors.rows }

  init(_ vectors: Tensor, isShuffled: Bool = false, isCollective: Bool = false) {
    (self.vectors, self.isShuffled, self.isCollective) = (vectors, isShuffled, isCollective)
  }

  func rows(_ range: Range<Int>, epoch: Int) throws -> Tensor {
    reads.append((range, epoch))
    guard isShuffled else { return vectors.rows(range) }
    // A step that has no divisor in common with the count visits every row once.
    let order = (0..<count).map { ($0 * (2 * epoch + 1) + 7 * epoch) % count }
    return Tensor(range.flatMap { vectors.rows(order[$0]..<order[$0] + 1).elements }, [range.count, width])
  }
}
