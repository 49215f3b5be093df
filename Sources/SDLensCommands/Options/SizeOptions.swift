import ArgumentParser
import SDLensCore
import SDLensDiffusion

/// What the model is told of sizes; it learned from pictures of all sizes, and was told of each.
struct SizeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The size that the model is told its picture had before it was scaled: small sizes make blurred pictures. "
        + "(default: the picture's own size)", valueName: "width>x<height"),
    transform: SizeConditioning.Size.init(argument:))
  var originalSize: SizeConditioning.Size?

  @Option(
    help: ArgumentHelp(
      "What the model is told was cut off at the top and at the left, in pixels. (default: 0,0)",
      valueName: "top,left"),
    transform: SizeConditioning.Crop.init(argument:))
  var crop: SizeConditioning.Crop?

  @Option(
    help: ArgumentHelp(
      "The size that the model is told its picture has. (default: the picture's own size)",
      valueName: "width>x<height"),
    transform: SizeConditioning.Size.init(argument:))
  var targetSize: SizeConditioning.Size?

  /// All of it.
  ///
  /// - Throws: `BadSetting` where the model is told of no sizes.
  func conditioning(of model: ModelFolder) throws -> SizeConditioning {
    let all: [(String, (any CustomStringConvertible)?)] = [
      ("original-size", originalSize), ("crop", crop), ("target-size", targetSize),
    ]
    for (name, value) in all where !model.family.isToldOfSizes {
      guard let value else { continue }
      throw BadSetting(
        name: name, found: "\(value)",
        needed: "left out: models of \(model.family.title) are told of no sizes")
    }
    return SizeConditioning(original: originalSize, crop: crop, target: targetSize)
  }
}

extension SizeConditioning.Size {
  /// Reads `1024x768`, width first, or one number for a square.
  ///
  /// - Throws: `BadSize`.
  init(argument: String) throws {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard 1...2 ~= parts.count, let width = parts[0], let height = parts[parts.count - 1],
      1...16384 ~= width, 1...16384 ~= height
    else { throw BadSize(needed: "width and height from 1 to 16384, as in 1024x768, or one number") }
    self.init(height: height, width: width)
  }
}

extension SizeConditioning.Crop {
  /// Reads `0,128`.
  ///
  /// - Throws: `BadSize`.
  init(argument: String) throws {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let top = parts[0], let left = parts[1], 0...16384 ~= top, 0...16384 ~= left
    else { throw BadSize(needed: "the pixels at the top and at the left, from 0 to 16384, as in 0,128") }
    self.init(top: top, left: left)
  }
}

/// Sizes that cannot be told.
struct BadSize: UserError {
  let needed: String
  var description: String { "it must be \(needed)" }
}
