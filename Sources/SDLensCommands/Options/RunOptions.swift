import ArgumentParser
import SDLensCore
import SDLensDiffusion

/// What decides a picture, besides the model and the prompt.
public struct RunOptions: ParsableArguments {
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Seed of the noise. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @Option(parsing: .unconditional, help: ArgumentHelp("Denoising steps.", valueName: "n"))
  var steps = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Preference of the prompt over the negative prompt; acts above 1.", valueName: "factor"))
  var guidance = 0.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Height and width of the picture, a multiple of 8. (default: the model's own)", valueName: "pixels"))
  var size: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Width of the picture, with --height.", valueName: "pixels"))
  var width: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Height of the picture, with --width.", valueName: "pixels"))
  var height: Int?

  /// A form to be filled in.
  public init() {}

  /// Refuses what does not go together.
  public func validate() throws {
    if size != nil && (width != nil || height != nil) {
      throw ValidationError("--size stands for --width and --height; give it, or both of them")
    }
    if (width == nil) != (height == nil) {
      throw ValidationError("--width and --height need each other; for a square, give --size")
    }
    do {
      _ = try settings(own: (8, 8))
    } catch let problem as BadSetting {
      throw ValidationError(problem.description)
    }
  }

  /// The settings of a run of a model, for which there is memory.
  ///
  /// - Parameters:
  ///   - decodes: whether it makes pictures.
  ///   - encodes: whether it begins with one.
  ///   - own: the size where none is chosen; nil for that of the model.
  /// - Throws: `BadSetting`, `TooLittleMemory`, and what is wrong with the model.
  public func settings(
    of model: ModelFolder, decodes: Bool = true, encodes: Bool = false,
    own: (height: Int, width: Int)? = nil, _ progress: Progress
  ) throws -> RunSettings {
    let side = try model.pictureSize
    var settings = try settings(own: own ?? (side, side))
    if let given = model.sampler?.timesteps?.count {
      guard [1, given].contains(steps) else {
        throw BadSetting(
          name: "steps", found: "\(steps)", needed: "left out, or \(given), as many as there are --timesteps")
      }
      settings.steps = given
    }
    progress.notes(model.notes)
    try progress.checkMemory(of: model, settings, decodes: decodes, encodes: encodes)
    if let draft = model.draft {
      progress.note("Pictures are drafts: '\(draft.name)' decodes them, not the model's own decoder")
    }
    return settings
  }

  /// The settings of a run whose pictures have the size `own` where none is chosen.
  private func settings(own: (height: Int, width: Int)) throws -> RunSettings {
    try RunSettings(
      seed: seed, steps: steps, guidance: guidance, height: height ?? size ?? own.height,
      width: width ?? size ?? own.width)
  }
}
