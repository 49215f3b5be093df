import SDLensCore

/// Vectors to learn from, in a shuffled order that a seed fixes: a store on disk, or a model at work.
public protocol RowSource: AnyObject {
  /// The width of a vector.
  var width: Int { get }
  /// The number of vectors in one pass over the data.
  var count: Int { get }
  /// Whether ranks make the vectors together, so that all of them must ask for the same ones, in the same order.
  var isCollective: Bool { get }
  /// The vectors at some positions of the shuffled order of one epoch (from 0), [range, width].
  ///
  /// The same positions always give the same vectors, so that a training run can go on where it was
  /// interrupted. Reading forwards is fast; ranges may not pass `count`.
  func rows(_ range: Range<Int>, epoch: Int) throws -> Tensor
  /// Where the vector at a position of the order comes from, as in `row 12`, for messages; nil where nobody can look.
  func origin(of position: Int, epoch: Int) throws -> String?
}

extension RowSource {
  /// Each rank reads for itself.
  public var isCollective: Bool { false }
  /// Nobody knows.
  public func origin(of position: Int, epoch: Int) -> String? { nil }
}
