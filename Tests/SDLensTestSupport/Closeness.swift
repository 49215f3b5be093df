import Foundation
import SDLensCore
import Testing

/// How far a tensor is from its reference: the worst element, relative to the largest magnitude.
public struct Closeness: CustomStringConvertible {
  private let shape: Shape
  private var worst = 0
  /// The largest absolute difference.
  public private(set) var largestError: Float = 0
  private var largestMagnitude: Float = 0
  private let found: Float
  private let wanted: Float

  /// Compares element by element; a NaN on either side is an infinite error.
  public init(_ found: Tensor, to wanted: Tensor) {
    precondition(found.shape == wanted.shape, "\(found.shape) against \(wanted.shape)")
    shape = wanted.shape
    for index in 0..<wanted.count {
      let error = abs(found[index] - wanted[index])
      if !(error <= largestError) {
        largestError = error.isNaN ? .infinity : error
        worst = index
      }
      largestMagnitude = max(largestMagnitude, abs(wanted[index]))
    }
    self.found = wanted.count == 0 ? 0 : found[worst]
    self.wanted = wanted.count == 0 ? 0 : wanted[worst]
  }

  /// The same for numbers that are no tensors.
  public init(_ found: [Float], to wanted: [Float]) {
    self.init(Tensor(found, [found.count]), to: Tensor(wanted, [wanted.count]))
  }

  /// Largest error over largest magnitude of the reference.
  public var ratio: Float { largestError == 0 ? 0 : largestError / largestMagnitude }

  /// The worst element, by its index, and what was expected.
  public var description: String {
    var rest = worst
    let index = shape.extents.reversed().map { extent in
      defer { rest /= extent }
      return rest % extent
    }
    return "\(found) at \(Array(index.reversed())) of \(shape), but the reference is \(wanted): "
      + "error \(ratio) of its largest magnitude \(largestMagnitude)"
  }
}

/// Expects two tensors to have the same shape and elements.
public func expectSame(
  _ found: Tensor, _ wanted: Tensor, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  expectClose(found, wanted, within: 0, name, sourceLocation: sourceLocation)
}

extension Tensor {
  /// Whether shape or any element is another.
  public func differs(from other: Tensor) -> Bool { shape != other.shape || elements != other.elements }
}

/// Expects two tensors to be equal up to `tolerance` times the largest magnitude of `wanted`.
///
/// With SDLENS_PRINT_ERRORS in the environment, what is reached is printed.
public func expectClose(
  _ found: Tensor, _ wanted: Tensor, within tolerance: Float, _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.shape == wanted.shape else {
    Issue.record(
      "\(name): shape \(found.shape), but the reference is \(wanted.shape)", sourceLocation: sourceLocation)
    return
  }
  let closeness = Closeness(found, to: wanted)
  if ProcessInfo.processInfo.environment["SDLENS_PRINT_ERRORS"] != nil {
    print("error", closeness.ratio, name)
  }
  if !(closeness.ratio <= tolerance) {
    Issue.record("\(name): \(closeness), allowed \(tolerance)", sourceLocation: sourceLocation)
  }
}
