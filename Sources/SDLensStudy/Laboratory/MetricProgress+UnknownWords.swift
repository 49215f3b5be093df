import SDLensDiffusion
import SDLensShapes

extension MetricProgress {
  /// Says which words of prompts the model never met, where that is known: of `shapes`.
  public func noteUnknownWords(of prompts: [String], _ model: ModelFolder) {
    guard model.paintsShapes, let unknown = UnknownWords(in: prompts) else { return }
    note(unknown.note)
  }
}
