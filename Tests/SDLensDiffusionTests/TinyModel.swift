import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// The random model of the goldens; its parts are read once.
enum TinyModel {
  static let path = Goldens()("tiny")
  private static let loaded = Result { try Pipeline(ModelFolder(path)) }
  private static let onBLAS = Result { try Pipeline(ModelFolder(path, engine: BLASEngine())) }
  static var pipeline: Pipeline { get throws { try loaded.get() } }
  static func pipeline(_ engine: EngineChoice) throws -> Pipeline {
    try engine == .openblas ? onBLAS.get() : loaded.get()
  }
  static var unet: UNet { get throws { try unet(.sdlens) } }
  static func unet(_ engine: EngineChoice) throws -> UNet {
    try #require(pipeline(engine).denoiser as? UNet)
  }
  static var decoder: Decoder { get throws { try pipeline.decoder } }

  /// A file of tensors that diffusers made with it.
  static func goldens(_ name: String) throws -> Safetensors { try Goldens().tensors("\(name).safetensors") }

  /// Opens a copy of the model in which files can be changed: the others are links.
  static func copy(to folder: TemporaryFolder) throws {
    let files = FileManager.default
    for part in try files.contentsOfDirectory(atPath: path) {
      guard !part.hasSuffix(".json") else {
        try files.createSymbolicLink(atPath: folder(part), withDestinationPath: "\(path)/\(part)")
        continue
      }
      try files.createDirectory(atPath: folder(part), withIntermediateDirectories: false)
      for file in try files.contentsOfDirectory(atPath: "\(path)/\(part)") {
        try files.createSymbolicLink(
          atPath: folder("\(part)/\(file)"), withDestinationPath: "\(path)/\(part)/\(file)")
      }
    }
  }

  /// Sets a key of a JSON file of a copy to a value written as JSON; an empty text removes the key.
  static func set(_ key: String, to json: String, in file: String, of folder: TemporaryFolder) throws {
    let url = URL(fileURLWithPath: folder(file))
    var object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
    object[key] =
      json.isEmpty
      ? nil : try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    try FileManager.default.removeItem(at: url)
    try JSONSerialization.data(withJSONObject: object).write(to: url)
  }
}
