import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport

/// The random model of the goldens; its parts are read once.
enum TinyModel {
  static let target = "SDLensDiffusionTests"
  static let path = goldenPath("tiny", of: target)
  static let pipeline: Pipeline = {
    do { return try Pipeline(ModelFolder(path)) } catch { fatalError("the tiny model: \(error)") }
  }()
  static var unet: UNet { pipeline.unet }
  static var decoder: Decoder { pipeline.decoder }

  static func goldens(_ name: String) throws -> Goldens { try Goldens(name, of: target) }
}
