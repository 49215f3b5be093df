import Foundation
import SDLensCore

/// Vectors of anything in a file: a tensor [rows, width] of a safetensors file, or a `.npy` file of NumPy.
///
/// They stay in the file, but for arrays that lie there column by column or in another order of bytes.
public final class VectorFile: PictureRows {
  /// Where it lies.
  public let path: String
  /// Of a vector.
  public let width: Int
  /// The number of vectors; each stands for itself.
  public let pictures: Int
  /// One.
  public let rowsPerPicture = 1
  private let values: Values
  private var prepared: [Int] = []

  private enum Values {
    case stored(StoredTensor)
    case memory(Tensor)

    var shape: Shape {
      switch self {
      case .stored(let tensor): tensor.shape
      case .memory(let tensor): tensor.shape
      }
    }
  }

  /// Opens a file.
  ///
  /// - Parameter name: which tensor of a safetensors file; nil for the only one.
  /// - Throws: `NoVectors` for what has another shape, and what is wrong with the file.
  public init(_ path: String, tensor name: String? = nil) throws {
    self.path = path
    var title = "the array"
    if try path.hasSuffix(".npy") || NumPyFile.isOne(path) {
      guard name == nil else {
        throw NoVectors(path: path, reason: "is one array without a name; leave --tensor out")
      }
      let file = try NumPyFile(contentsOf: path)
      values = file.stored.map { .stored($0) } ?? .memory(file.tensor())
    } else {
      let file = try Safetensors(contentsOf: path)
      guard let name = name ?? (file.names.count == 1 ? file.names[0] : nil) else {
        throw NoVectors(
          path: path,
          reason: "holds \(file.names.count) tensors; choose one with --tensor: "
            + file.names.prefix(12).joined(separator: ", ") + (file.names.count > 12 ? ", …" : ""))
      }
      title = "'\(name)'"
      values = .stored(try file.stored(name))
    }
    let shape = values.shape
    guard shape.rank == 2, shape.count > 0, shape[0] <= Int(Int32.max) else {
      throw NoVectors(
        path: path, reason: "holds \(title) of shape \(shape), but [rows, width] is needed")
    }
    (pictures, width) = (shape[0], shape[1])
  }

  /// A number that changes with the vectors.
  ///
  /// - Throws: `FileError`.
  public func fingerprint() throws -> String {
    var fingerprint = Fingerprint()
    try fingerprint.add(path, as: "vectors")
    return fingerprint.description
  }

  /// Some vectors, [range, width].
  public func rows(_ range: Range<Int>) -> Tensor {
    var result = Tensor(uninitialized: [range.count, width])
    result.withMutableElements {
      copy(range.lowerBound * width..<range.upperBound * width, to: $0.baseAddress!)
    }
    return result
  }

  /// Remembers which vectors are meant.
  public func prepare(_ pictures: [Int]) { prepared = pictures }

  /// Writes a vector of the last `prepare`.
  public func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>) {
    let start = prepared[row] * width
    copy(start..<start + width, to: target)
  }

  private func copy(_ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    switch values {
    case .stored(let tensor): tensor.copy(range, to: target)
    case .memory(let tensor):
      tensor.withElements { target.update(from: $0.baseAddress! + range.lowerBound, count: range.count) }
    }
  }
}

/// A file without vectors.
public struct NoVectors: UserError {
  let path: String
  let reason: String
  /// The file and why.
  public var description: String { "'\(path)' \(reason)" }
}
