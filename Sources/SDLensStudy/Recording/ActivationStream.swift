import SDLensCore
import SDLensSparse

/// Activations made when they are needed, and kept nowhere: a shuffle buffer of some pictures.
///
/// The blocks that are trained side by side share it; their maps must be of one size.
public final class ActivationStream {
  private let collector: Collector
  private let progress: (Int) -> Void
  // A batch may begin in one group and end in the next, and every block reads it anew.
  private var groups: [(pictures: [Int], vectors: [Tensor])] = []

  /// Makes what `collector` would record.
  ///
  /// - Parameter progress: called with the number of pictures that were made.
  public init(_ collector: Collector, progress: @escaping (Int) -> Void = { _ in }) {
    self.collector = collector
    self.progress = progress
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
    var batches: [[Tensor]] = []
    for start in stride(from: 0, to: pictures.count, by: collector.request.batch) {
      let batch = Array(pictures[start..<min(pictures.count, start + collector.request.batch)])
      batches.append(try collector.record(batch).vectors)
      progress(batch.count)
    }
    let vectors = collector.manifest.blocks.indices.map { index in Tensor.stacked(batches.map { $0[index] }) }
    groups.append((pictures, vectors))
    return vectors[block]
  }

  /// The vectors of one block, picture by picture.
  private final class Block: PictureRows {
    let width: Int
    let pictures: Int
    let rowsPerPicture: Int
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
