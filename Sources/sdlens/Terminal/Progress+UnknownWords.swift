import SDLensDiffusion
import SDLensShapes
import SDLensStudy

extension Progress {
  /// Says which words of prompts the model never met, where that is known: of `shapes`.
  func noteUnknownWords(of prompts: [String], _ model: ModelFolder) {
    guard model.paintsShapes, let unknown = UnknownWords(in: prompts) else { return }
    note(unknown.note)
  }
}
