import Foundation
import SDLensCore

/// The reference values beside a test file, in the folder `Goldens`.
public struct Goldens: Sendable {
  /// Where they lie.
  public let folder: String

  /// The goldens of the test target that the calling file belongs to.
  public init(beside file: String = #filePath) {
    folder = URL(fileURLWithPath: file).deletingLastPathComponent().path + "/Goldens"
  }

  /// The path of a file or folder among them.
  public func callAsFunction(_ name: String) -> String { folder + "/" + name }

  /// A file of tensors.
  public func tensors(_ name: String) throws -> Safetensors { try Safetensors(contentsOf: self(name)) }

  /// A file of JSON.
  public func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: self(name))))
  }
}
