import Foundation
import SDLensCore

/// How far a tensor is from its reference: the worst element, relative to the largest magnitude.
public struct Closeness: CustomStringConvertible {
  public let largestError: Float
  public let largestMagnitude: Float
  public let worst: Int
  public let found: Float
  public let wanted: Float

  /// Compares element by element; a NaN on either side is an infinite error.
  public init(_ found: [Float], to wanted: [Float]) {
    precondition(found.count == wanted.count, "\(found.count) elements against \(wanted.count)")
    var worst = 0
    var largestError: Float = 0
    var largestMagnitude: Float = 0
    for index in wanted.indices {
      let error = abs(found[index] - wanted[index])
      if !(error <= largestError) {
        largestError = error.isNaN ? .infinity : error
        worst = index
      }
      largestMagnitude = max(largestMagnitude, abs(wanted[index]))
    }
    self.largestError = largestError
    self.largestMagnitude = largestMagnitude
    self.worst = worst
    self.found = found.isEmpty ? 0 : found[worst]
    self.wanted = wanted.isEmpty ? 0 : wanted[worst]
  }

  /// Largest error over largest magnitude of the reference.
  public var ratio: Float { largestError == 0 ? 0 : largestError / largestMagnitude }

  public var description: String {
    "error \(ratio) of the largest magnitude; worst at \(worst): \(found), reference \(wanted)"
  }
}
