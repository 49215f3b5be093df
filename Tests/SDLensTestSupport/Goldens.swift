import Foundation
import SDLensCore
import Testing

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

extension Safetensors {
  /// Whether there is a tensor of that name.
  public func contains(_ name: String) -> Bool { entry(name) != nil }

  /// A feature map of PyTorch, [batch, channels, height, width], with its channels last.
  public func channelsLast(_ name: String) throws -> Tensor { try tensor(name).channelsLast() }

  /// Expects `found` to equal a tensor up to `tolerance` times its largest magnitude; `found` has its channels
  /// last if it is a feature map, which means four axes.
  public func expect(
    _ found: Tensor, equals name: String, within tolerance: Float,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    expectClose(
      found.shape.rank == 4 ? found.channelsFirst() : found, try tensor(name), within: tolerance, name,
      sourceLocation: sourceLocation)
  }
}
