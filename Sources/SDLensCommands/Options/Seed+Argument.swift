import ArgumentParser
import SDLensCore

extension Seed {
  /// Reads what stands behind `--seed`.
  ///
  /// - Throws: `BadSeed`.
  init(argument: String) throws {
    guard let seed = Seed(argument) else { throw BadSeed() }
    self = seed
  }
}

/// What torch would not take either.
struct BadSeed: UserError {
  var description: String {
    "it must be a whole number from \(Seed.range.lowerBound) to \(Seed.range.upperBound)"
  }
}
