import SDLensCore

/// A picture that a run begins with (diffusers: StableDiffusionXLImg2ImgPipeline).
///
/// Its latents are drawn from what the encoder makes of it, noised to the first step that is taken, and denoised from
/// there: of n steps the last ⌊n · strength⌋ are taken. With an inversion nothing is drawn: `Pipeline.inverted` finds the
/// noise that makes the picture.
public struct InitialImage: Sendable, Hashable {
  /// How far the run goes back, 0…1; at 1 all steps are taken, and nearly nothing is left of the picture.
  public let strength: Double
  /// The picture in words, for files: its name and a number that changes with what was encoded.
  public let title: String
  /// Height of the picture, in pixels.
  public let height: Int
  /// Width of the picture, in pixels.
  public let width: Int
  /// How it is taken back to its noise; nil where noise is added to it.
  public let inversion: Inversion?
  /// With an inversion that is done, the samples on the way back, the latents of the picture first.
  var samples: [Tensor] = []
  private let latents: LatentDistribution
  private let scale: Float

  /// Encodes a picture.
  ///
  /// - Parameters:
  ///   - picture: of the size that the run will have.
  ///   - name: its name.
  ///   - inversion: how it is taken back to its noise; nil to add noise to it.
  /// - Throws: `BadSetting` for a strength outside of 0…1.
  public init(
    _ picture: Picture, named name: String, strength: Double, inversion: Inversion? = nil,
    _ encoder: LatentEncoder
  ) throws {
    try Self.check(strength)
    var fingerprint = Fingerprint()
    fingerprint.add("\(picture.width) \(picture.height)\n".utf8)
    fingerprint.add(picture.samples)
    (self.strength, title) = (strength, "\(name) \(fingerprint)")
    (height, width, self.inversion) = (picture.height, picture.width, inversion)
    (latents, scale) = (encoder(Tensor(signed: picture)), encoder.config.scalingFactor)
  }

  /// - Throws: `BadSetting` for a strength outside of 0…1.
  public static func check(_ strength: Double) throws {
    guard 0...1 ~= strength else {
      throw BadSetting(name: "strength", found: "\(strength)", needed: "from 0 to 1")
    }
  }

  /// The first of `steps` steps that is taken.
  ///
  /// - Throws: `NoStepLeft`.
  public static func firstStep(strength: Double, of steps: Int) throws -> Int {
    // Near 2⁶³ steps a Double is beyond Int.
    let taken = min(Int(exactly: (Double(steps) * strength).rounded(.down)) ?? steps, steps)
    guard taken > 0 else { throw NoStepLeft(strength: strength, steps: steps) }
    return steps - taken
  }

  /// A draw of its latents for each noise of unit variance [batch, h, w, 4], as the sampler takes them.
  func sample(_ noise: Tensor) -> Tensor {
    let pictures = (0..<noise.shape[0]).map { latents.sample(noise.picture($0)) }
    return Tensor.stacked(pictures).scaled(by: scale)
  }

  /// Its latents as the sampler takes them, without a draw: the mode of what the encoder makes of it, [1, h, w, 4].
  var likeliest: Tensor { latents.mean.scaled(by: scale) }

  /// Whether two begin alike.
  public static func == (left: InitialImage, right: InitialImage) -> Bool {
    left.title == right.title && left.strength == right.strength && left.inversion == right.inversion
  }

  /// What `==` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(title)
    hasher.combine(strength)
    hasher.combine(inversion)
  }
}

/// A strength so small that no step is taken.
struct NoStepLeft: UserError {
  let strength: Double
  let steps: Int
  var description: String {
    // No scheduler has more training steps than some thousand.
    let needed = strength > 1e-4 ? Int((1 / strength).rounded(.up)) : nil
    return
      "with strength \(strength), none of \(steps) step\(steps == 1 ? "" : "s") is taken (the last ⌊steps · strength⌋ "
      + "are): give " + (needed.map { "--steps \($0) or more, or " } ?? "") + "a larger --strength"
  }
}
