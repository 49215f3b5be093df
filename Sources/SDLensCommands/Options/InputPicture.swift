import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensEncoders

extension RunOptions {
  /// The settings of a run that begins with the picture of a PNG file, and the picture as it is encoded.
  ///
  /// As in diffusers, the run has the picture's own size without what is over a multiple of 8; unless a size was
  /// chosen. To another size than its own the picture is brought by PIL's Lanczos filter, and not cropped.
  ///
  /// - Parameter inversion: how the picture is to be taken back to its noise; nil to add noise to it.
  /// - Throws: `NoPNG`, `UnusablePictureSize`, `NoStepLeft`, `NoEncoder`, `NotInvertible`, as `settings(of:)`, and what is wrong
  ///   with the file.
  func settings(
    of model: ModelFolder, beginningWith path: String, strength: Double, inversion: Inversion? = nil,
    _ progress: Progress
  ) throws -> (settings: RunSettings, picture: Picture) {
    if inversion != nil { try Inversion.check(model.schedulerConfig()) }
    try NoPNG.check(path)
    var picture = try PNG.read(path)
    let whole = (height: picture.height - picture.height % 8, width: picture.width - picture.width % 8)
    let hasSize = size != nil || width != nil
    guard hasSize || (8...4096 ~= whole.height && 8...4096 ~= whole.width) else {
      throw UnusablePictureSize(path: path, width: picture.width, height: picture.height)
    }
    var settings = try settings(of: model, encodes: true, own: whole, progress)
    let first = try InitialImage.firstStep(strength: strength, of: settings.steps)
    let timesteps = try model.schedulerConfig().sampler(steps: settings.steps).timesteps
    if picture.width != settings.width || picture.height != settings.height {
      progress.note(
        "'\(path)', \(picture.width) × \(picture.height), is brought to \(settings.width) × \(settings.height), not cropped"
          + (hasSize ? "" : ": sides must be multiples of 8"))
      picture = Resampling.lanczos(picture, width: settings.width, height: settings.height)
    }
    let taken = timesteps.count - first
    progress.note(
      "The picture is \(inversion == nil ? "noised" : "inverted") to training step \(Int(timesteps[first].rounded())): of \(settings.steps) step"
        + "\(settings.steps == 1 ? "" : "s") with strength \(strength) the last \(taken == 1 ? "is" : "\(taken) are") taken"
    )
    progress.stage("encoding the picture")
    settings.image = try InitialImage(
      picture, named: (path as NSString).lastPathComponent, strength: strength, inversion: inversion,
      LatentEncoder(model))
    return (settings, picture)
  }
}

extension InitialImage {
  /// - Throws: `ValidationError` for a strength outside of 0…1.
  static func validate(_ strength: Double) throws {
    do { try check(strength) } catch { throw ValidationError("\(error)") }
  }
}

/// A picture in another format than PNG.
struct NoPNG: UserError {
  let path: String
  let kind: String

  /// Knows the kinds that people have by their first bytes; of others, the reader of PNG tells what is wrong.
  static func check(_ path: String) throws {
    guard case .picture(let format)? = try MappedFile(path: path).withBytes({ FileKind($0) }), format != "PNG"
    else { return }
    throw NoPNG(path: path, kind: format)
  }

  var description: String {
    let stem = (path as NSString).deletingPathExtension
    // The name may promise what the file is not.
    let png = stem + ".png" == path ? stem + "-converted.png" : stem + ".png"
    return
      "'\(path)' is a picture in the format \(kind), but PNG is needed; convert it, as ImageMagick does: "
      + "magick '\(path)' '\(png)'"
  }
}

/// A picture whose own size no run can have.
struct UnusablePictureSize: UserError {
  let path: String
  let width, height: Int
  var description: String {
    "'\(path)' has \(width) × \(height) pixels, but a run has 8 to 4096 along each side; give the size that it is to be "
      + "brought to with --size, or --width and --height"
  }
}
