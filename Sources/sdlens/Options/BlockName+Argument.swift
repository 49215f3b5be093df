import ArgumentParser
import SDLensDiffusion

extension BlockName: ExpressibleByArgument {
  public init?(argument: String) {
    do { try self.init(argument) } catch { return nil }
  }

  /// Listed in the help and when a name is unknown.
  public static var allValueStrings: [String] { all.map(\.description) }
}
