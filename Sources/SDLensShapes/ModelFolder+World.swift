import Foundation
import SDLensDiffusion

extension ModelFolder {
  /// Whether the model paints the world of `shapes`, of whose pictures the truth is known.
  ///
  /// Such a folder has a list of captions that the model never learned from, wherever it lies and whatever it is called.
  public var paintsShapes: Bool { FileManager.default.fileExists(atPath: heldOutPrompts) }

  /// Where the captions lie that the model never learned from.
  public var heldOutPrompts: String { "\(path)/held-out.txt" }
}
