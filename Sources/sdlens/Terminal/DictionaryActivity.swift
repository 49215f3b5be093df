import SDLensCore
import SDLensStudy

extension WorkspaceContents.Dictionary {
  /// How many features are active in a vector, for tables: k, or a mean number; a dash where nobody knows.
  var activity: String { k.map { "\($0)" } ?? l0.map { "\(Units.rounded($0)) on average" } ?? "–" }
}
