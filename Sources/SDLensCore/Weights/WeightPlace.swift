/// Where a weight lies in a file that another program has laid out.
public struct WeightPlace: Sendable, Hashable {
  /// What of the tensor in the file is the weight.
  public enum Form: Sendable, Hashable {
    /// All of it.
    case whole
    /// One of three equal parts along the first axis, counted from 0.
    case third(Int)
    /// A matrix with its axes exchanged.
    case transposed
    /// A matrix, which the file may hold as a convolution of 1 × 1.
    case matrix
  }

  /// The name in the file.
  public let name: String
  /// What of it.
  public let form: Form

  /// Names a tensor, and what of it.
  public init(_ name: String, _ form: Form = .whole) { (self.name, self.form) = (name, form) }

  /// The shape of the weight, of that of the tensor; one that fits no weight where the form does not fit.
  func shape(of tensor: Shape) -> Shape {
    let extents = tensor.extents
    switch form {
    case .third where !extents.isEmpty:
      return Shape([extents[0] % 3 == 0 ? extents[0] / 3 : 0] + extents.dropFirst())
    case .transposed where extents.count == 2: return Shape(extents.reversed())
    case .matrix where extents.count == 4 && extents[2...].allSatisfy { $0 == 1 }:
      return Shape(Array(extents[..<2]))
    default: return tensor
    }
  }
}
