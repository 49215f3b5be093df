import SDLensCore
import SDLensSparse

extension DictionaryFolder {
  /// The prompt and the seed of the recorded picture in which a feature was strongest.
  ///
  /// - Throws: `NoExamples`, `NeverActive`.
  public func strongestRun(of feature: Int) throws -> (prompt: String, seed: Seed) {
    guard let examples, let pictures else { throw NoExamples(path: path) }
    guard let top = examples[feature].first, let prompt = pictures.prompts[top.picture] else {
      throw NeverActive(feature: feature, path: path)
    }
    return (prompt, try pictures.seed(of: top.picture))
  }
}
