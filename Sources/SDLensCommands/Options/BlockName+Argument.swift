import ArgumentParser
import SDLensDiffusion

extension BlockName: ExpressibleByArgument {
  /// Reads any of the names of a block; nil makes ArgumentParser list those below.
  public init?(argument: String) {
    do { try self.init(argument) } catch { return nil }
  }

  /// Listed in the help and when a name is unknown.
  public static var allValueStrings: [String] { all.map(\.description) }

  /// What a shell completes: the blocks of SDXL.
  public static var defaultCompletionKind: CompletionKind { .list(sdxl.map(\.description)) }
}
