import Foundation
import SDLensCore
import Testing

/// A file of tensors made by PyTorch (Tests/README.md), to be equalled.
public struct Goldens: Sendable {
  private let name: String
  private let file: Safetensors

  /// Opens `NAME.safetensors` among the goldens of a test target.
  public init(_ name: String, of target: String) throws {
    self.name = name
    file = try Safetensors(contentsOf: goldenPath("\(name).safetensors", of: target))
  }

  /// A tensor as PyTorch has it.
  public func callAsFunction(_ name: String) throws -> Tensor { try file.tensor(name) }

  /// A feature map [batch, channels, height, width] with its channels last.
  public func channelsLast(_ name: String) throws -> Tensor { try self(name).channelsLast() }

  /// Whether there is a tensor of that name.
  public func contains(_ name: String) -> Bool { file.entry(name) != nil }

  /// Expects `found` to equal a tensor up to `tolerance` times its largest magnitude; feature maps, which
  /// have four axes, have their channels last.
  public func expect(
    _ found: Tensor, equals name: String, within tolerance: Float,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    expectClose(
      found.shape.rank == 4 ? found.channelsFirst() : found, try self(name), within: tolerance,
      "\(name) of \(self.name).safetensors", sourceLocation: sourceLocation)
  }
}

/// The path of a file or folder among the goldens of a test target.
public func goldenPath(_ name: String, of target: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/\(target)/Goldens/\(name)"
}

/// What a JSON file among the goldens of a test target lists.
public func goldenCases<Cases: Decodable>(_ name: String, of target: String) throws -> Cases {
  try JSONDecoder().decode(
    Cases.self, from: Data(contentsOf: URL(fileURLWithPath: goldenPath(name, of: target))))
}
