import SDLensCore
import SDLensSparse
import SDLensStudy

extension WorkspaceContents.Dictionary {
  /// How many features are active in a vector, for tables: k, or a mean number; a dash where nobody knows.
  var activity: String { k.map { "\($0)" } ?? l0.map { "\(Units.rounded($0)) on average" } ?? "–" }
}

extension DictionaryFolder {
  /// How strongly figures add a feature that nobody says the strength of: as many times its mean as features are active
  /// in a vector.
  ///
  /// - Throws: `ActivityUnknown` for thresholds that were never measured.
  var usualStrength: Double {
    get throws {
      guard let l0 else { throw ActivityUnknown(path: path) }
      return l0
    }
  }
}

/// A dictionary of thresholds of which nobody knows how many features are active.
struct ActivityUnknown: UserError {
  let path: String
  var description: String {
    "nobody has measured how many features of '\(path)' are active in a vector, which the strength goes by; give a "
      + "--strength, or measure it with: sdlens statistics"
  }
}
