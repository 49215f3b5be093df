import SDLensCore
import SDLensSparse

/// Activations made when they are needed, and kept nowhere: a shuffle buffer of some pictures.
///
/// The blocks that are trained side by side share it; their maps must be of one size. Each rank makes a part of the
/// pictures and gets the vectors of the others, which are those that it would have made itself.
public final class ActivationStream {
  private let collector: Collector
  private let ranks: any Communicator
  private let progress: (Int) -> Void
  // A batch may begin in one group and end in the next, and every block reads it anew.
  private var groups: [(pictures: [Int], vectors: [Tensor])] = []

  /// Makes what `collector` would record.
  ///
  /// - Parameters:
  ///   - ranks: the processes that make it together; all must ask for the same vectors, in the same order.
  ///   - progress: called with the number of pictures that were made here.
  public init(
    _ collector: Collector, _ ranks: any Communicator = Alone(), progress: @escaping (Int) -> Void = { _ in }
  ) {
    (self.collector, self.ranks, self.progress) = (collector, ranks, progress)
  }

  /// The vectors of one of the blocks, in random order.
  ///
  /// - Parameter buffer: vectors that are shuffled together.
  public func rows(of block: ActivationManifest.Block, buffer: Int, seed: Seed) -> ShuffledRows {
    let index = collector.manifest.blocks.firstIndex(of: block)!
    return ShuffledRows(Block(self, block, index), groupSize: buffer, seed: seed)
  }

  private func vectors(of pictures: [Int], block: Int) throws -> Tensor {
    if let group = groups.first(where: { $0.pictures == pictures }) { return group.vectors[block] }
    if groups.count == 2 { groups.removeFirst() }
    let blocks = collector.manifest.blocks
    let words = blocks.map { collector.manifest.rows(of: $0) * $0.width }
    var vectors = zip(blocks, words).map { Tensor(uninitialized: [pictures.count, $1 / $0.width, $0.width]) }
    // So many that their numbers can be counted in 32 bits where ranks speak to each other.
    let atOnce = max(1, (1 << 30) / words.max()!)
    for start in stride(from: 0, to: pictures.count, by: atOnce) {
      let count = min(atOnce, pictures.count - start)
      let parts = (0..<ranks.count).map { count * $0 / ranks.count..<count * ($0 + 1) / ranks.count }
      let own = parts[ranks.rank]
      try record(pictures, start + own.lowerBound..<start + own.upperBound, into: &vectors)
      for (index, words) in words.enumerated() {
        vectors[index].withMutableElements { all in
          ranks.gather(
            all.baseAddress! + start * words, parts.map { $0.lowerBound * words..<$0.upperBound * words })
        }
      }
    }
    groups.append((pictures, vectors))
    return vectors[block]
  }

  /// Makes some of the pictures, and puts the vectors of each block where they belong.
  private func record(_ pictures: [Int], _ part: Range<Int>, into vectors: inout [Tensor]) throws {
    for start in stride(from: part.lowerBound, to: part.upperBound, by: collector.request.batch) {
      let batch = pictures[start..<min(part.upperBound, start + collector.request.batch)]
      let recorded = try collector.record(Array(batch)).vectors
      for (index, tensor) in recorded.enumerated() {
        vectors[index].withMutableElements { all in
          tensor.withElements { _ = all[(start * ($0.count / batch.count))...].update(fromContentsOf: $0) }
        }
      }
      progress(batch.count)
    }
  }

  /// The vectors of one block, picture by picture.
  private final class Block: PictureRows {
    let width: Int
    let pictures: Int
    let rowsPerPicture: Int
    var isCollective: Bool { stream.ranks.count > 1 }
    private let stream: ActivationStream
    private let index: Int
    private var vectors = Tensor([0])

    init(_ stream: ActivationStream, _ block: ActivationManifest.Block, _ index: Int) {
      let manifest = stream.collector.manifest
      (self.stream, self.index, width) = (stream, index, block.width)
      (pictures, rowsPerPicture) = (manifest.pictures, manifest.rows(of: block))
    }

    func prepare(_ pictures: [Int]) throws { vectors = try stream.vectors(of: pictures, block: index) }

    func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>) {
      vectors.withElements { target.update(from: $0.baseAddress! + row * width, count: width) }
    }
  }
}
