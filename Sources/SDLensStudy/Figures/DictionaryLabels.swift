import Foundation
import SDLensDiffusion
import SDLensSparse

extension DictionaryFolder {
  /// As in `k10-n5120 (3f09a1b2)`: the name of its folder, and the first digits of the fingerprint of its numbers.
  public var label: String {
    let identity = identity
    return "\(identity.name) (\(identity.fingerprint.prefix(8)))"
  }

  /// As in `down.2.1 #4539`, with the caption where there is one.
  func title(of feature: Int, at block: BlockName) -> String {
    "\(block) #\(feature)" + (captions[feature].map { "\n\($0)" } ?? "")
  }
}
