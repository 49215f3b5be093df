import SDLensCore

/// Vectors that come picture by picture.
public protocol PictureRows: AnyObject {
  /// Of a vector.
  var width: Int { get }
  /// The number of pictures.
  var pictures: Int { get }
  /// Vectors of a picture.
  var rowsPerPicture: Int { get }
  /// Whether ranks make the vectors together, so that all of them must prepare the same pictures, in the same order.
  var isCollective: Bool { get }
  /// Gets ready for reading the vectors of some pictures.
  func prepare(_ pictures: [Int]) throws
  /// Writes a vector of the pictures of the last `prepare`, counted through them; called by several threads.
  func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>)
}

extension PictureRows {
  /// Each rank reads for itself.
  public var isCollective: Bool { false }
}

/// The vectors of many pictures in random order, with neither the vectors nor their order in memory.
///
/// The pictures are put in a random order, a new one in each epoch, and cut into groups; within a group, the
/// vectors are put in a random order. So a batch of 4096 has vectors of all pictures of its group.
public final class ShuffledRows: RowSource {
  /// Of a vector.
  public var width: Int { source.width }
  /// The vectors of all pictures.
  public var count: Int { source.pictures * source.rowsPerPicture }
  /// As its source is.
  public var isCollective: Bool { source.isCollective }
  /// Pictures in a group.
  public let picturesPerGroup: Int
  private let source: any PictureRows
  private let seed: Seed
  private var order: (epoch: Int, pictures: [Int32])?
  private var group: (epoch: Int, index: Int, rows: [Int32])?

  /// Shuffles `source` in groups of at least `groupSize` vectors; the order depends on nothing else but `seed`.
  public init(_ source: any PictureRows, groupSize: Int = 1 << 17, seed: Seed) {
    self.source = source
    self.seed = seed
    picturesPerGroup = max(1, (groupSize + source.rowsPerPicture - 1) / source.rowsPerPicture)
    precondition(
      source.pictures <= Int(Int32.max) && picturesPerGroup * source.rowsPerPicture <= Int(Int32.max))
  }

  /// The vectors at some places of the order of an epoch.
  public func rows(_ range: Range<Int>, epoch: Int) throws -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count)")
    let (width, rowsPerGroup) = (width, picturesPerGroup * source.rowsPerPicture)
    var result = Tensor(uninitialized: [range.count, width])
    var start = range.lowerBound
    while start < range.upperBound {
      let index = start / rowsPerGroup
      let rows = try self.rows(ofGroup: index, epoch: epoch)
      let end = min(range.upperBound, index * rowsPerGroup + rows.count)
      let ofGroup = range.lowerBound - index * rowsPerGroup
      result.updateRows(start - range.lowerBound..<end - range.lowerBound, grain: 64) { y, written in
        for (place, row) in written.enumerated() {
          source.copyRow(Int(rows[ofGroup + row]), to: y + place * width)
        }
      }
      start = end
    }
    return result
  }

  /// The row, and the picture where pictures have several; both count from 0.
  public func origin(of position: Int, epoch: Int) throws -> String? {
    let rowsPerGroup = picturesPerGroup * source.rowsPerPicture
    let row = Int(try rows(ofGroup: position / rowsPerGroup, epoch: epoch)[position % rowsPerGroup])
    let (inGroup, place) = row.quotientAndRemainder(dividingBy: source.rowsPerPicture)
    let picture = order!.pictures[position / rowsPerGroup * picturesPerGroup + inGroup]
    return source.rowsPerPicture == 1 ? "row \(picture)" : "row \(place) of picture \(picture)"
  }

  /// The order of the vectors of a group, whose pictures are made ready.
  private func rows(ofGroup index: Int, epoch: Int) throws -> [Int32] {
    if let group, group.epoch == epoch, group.index == index { return group.rows }
    if order?.epoch != epoch {
      order = (epoch, MersenneTwister.permutation(of: source.pictures, seeds: [seed.bits, UInt64(epoch)]))
    }
    let first = index * picturesPerGroup
    let pictures = order!.pictures[first..<min(source.pictures, first + picturesPerGroup)].map(Int.init)
    group = nil
    try source.prepare(pictures)
    let rows = MersenneTwister.permutation(
      of: pictures.count * source.rowsPerPicture, seeds: [seed.bits, UInt64(epoch), UInt64(index)])
    group = (epoch, index, rows)
    return rows
  }
}

extension MersenneTwister {
  /// A random order of `0..<count` (Fisher and Yates), fixed by some numbers.
  package static func permutation(of count: Int, seeds: [some FixedWidthInteger]) -> [Int32] {
    var mixed = Fingerprint()
    for seed in seeds { withUnsafeBytes(of: UInt64(truncatingIfNeeded: seed).littleEndian) { mixed.add($0) } }
    var generator = MersenneTwister(seed: mixed.value)
    var order = (0..<Int32(count)).map { $0 }
    for last in order.indices.dropFirst().reversed() {
      // The upper bits of a product: no bias worth mentioning below 2³¹, and no division.
      let other = Int((UInt64(generator.bits32()) * UInt64(last + 1)) >> 32)
      order.swapAt(last, other)
    }
    return order
  }
}
