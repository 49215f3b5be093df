import SDLensCore
import SDLensSparse

extension DictionaryFolder {
  /// How strongly figures add a feature that nobody says the strength of: as many times its mean as features are active
  /// in a vector.
  ///
  /// - Throws: `ActivityUnknown` for thresholds that were never measured.
  public var usualStrength: Double {
    get throws {
      guard let l0 else { throw ActivityUnknown(path: path) }
      return l0
    }
  }
}

/// A dictionary of thresholds of which nobody knows how many features are active.
public struct ActivityUnknown: UserError {
  let path: String
  /// The dictionary, and what to do.
  public var description: String {
    "nobody has measured how many features of '\(path)' are active in a vector, which the strength goes by; give a "
      + "--strength, or measure it with: sdlens statistics"
  }
}
