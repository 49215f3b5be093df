import SDLensCore

/// The memory that runs of a model take, in bytes.
public struct ModelMemory: Sendable {
  /// The weights of all text encoders, of the U-net and of what decodes, where they lie in their files.
  let text, unet, vae: Int
  /// The weights of what encodes pictures.
  let encoder: Int
  private let model: String
  private let widths: [Int]
  /// Channels of the encoder's maps that have the size of the picture.
  private let encoderWidth: Int

  /// Reads the settings and the headers of the weight files.
  public init(_ folder: ModelFolder) throws { try self.init(folder, folder.entries()) }

  /// - Parameter parts: as `ModelFolder.entries` gives them.
  init(_ folder: ModelFolder, _ parts: [(name: String, entries: [Safetensors.Entry])]) throws {
    let bytes = parts.map { $0.entries.reduce(0) { $0 + $1.range.count } }
    let encoders = folder.family.encoders.count
    // What decodes comes last: the VAE, or the decoder of drafts behind it.
    (text, unet, vae) = (
      bytes[..<encoders].reduce(0, +), bytes[encoders], bytes[bytes.count - 1]
    )
    model = folder.name
    let config = try DecoderConfig(folder.config("vae"))
    encoder = try folder.weights("vae").entries(ignoring: LatentEncoder.unusedWeights)
      .reduce(0) { $0 + $1.range.count }
    encoderWidth = config.widths[0]
    widths = folder.draft.map { [$0.config.width] } ?? config.widths
  }

  /// A map of the decoder's widest stage that has the size of the picture.
  private func map(_ height: Int, _ width: Int) -> Int { height * width * (widths.prefix(2).max() ?? 0) * 4 }

  /// A map of the encoder that has the size of the picture.
  private func encoderMap(_ height: Int, _ width: Int) -> Int { height * width * encoderWidth * 4 }

  /// What one picture takes, about: the weights of one part at a time, and maps.
  ///
  /// - Parameter encodes: whether the run begins with a picture.
  public func estimate(height: Int, width: Int, encodes: Bool = false) -> Int {
    let (map, encoderMap) = (map(height, width), encoderMap(height, width))
    let decoding = max(text, unet, vae + 2 * map) + 3 * map
    // A residual block reads one map, writes another, and keeps the stream beside them.
    return encodes ? max(decoding, encoder + 4 * encoderMap) : decoding
  }

  /// Refuses a run that surely has no room, before anything is computed.
  ///
  /// U-net and VAE are mapped together, and the last convolution of the decoder reads one map and writes another.
  ///
  /// - Parameters:
  ///   - decodes: whether the run makes pictures; recording alone does not.
  ///   - encodes: whether it begins with one.
  /// - Throws: `TooLittleMemory`.
  public func check(height: Int, width: Int, decodes: Bool = true, encodes: Bool = false) throws {
    let maps = max(decodes ? 2 * map(height, width) : 0, encodes ? 3 * encoderMap(height, width) : 0)
    try TooLittleMemory.check(
      model, mapped: (unet + vae, "its weights"),
      written: maps > 0 ? (maps, "a picture of \(width) × \(height)") : nil,
      advice:
        "choose a smaller --size or a model with float16 weights, or run it where there is more; 'sdlens info' says "
        + "what a model takes")
  }

  /// Says when a run will work, but slowly: what is read of the weights is dropped and read again.
  public func note(height: Int, width: Int, encodes: Bool = false) -> String? {
    let needed = estimate(height: height, width: width, encodes: encodes)
    let available = Memory.available
    guard needed > available else { return nil }
    return
      "'\(model)' takes about \(Memory.mebibytes(needed)) of memory, but only \(Memory.mebibytes(available)) are "
      + "available, so that its weights are read from the disk again and again; close other programs"
  }
}

extension ModelFolder {
  /// The parts with weights in the order in which they run, and what the headers say of what is read of each; behind
  /// them the decoder of drafts, where there is one.
  func entries() throws -> [(name: String, entries: [Safetensors.Entry])] {
    let encoders = family.encoders.map {
      ("text_encoder\($0)", TextEncoder.unusedWeights(projected: $0 == "_2"))
    }
    let parts: [(String, [Safetensors.Entry])] = try
      (encoders + [
        ("unet", []), ("vae", Decoder.unusedWeights),
      ]).map { ($0, try weights($0).entries(ignoring: $1)) }
    guard let draft else { return parts }
    return parts + [("decoder", try draft.weights().entries(ignoring: TinyDecoder.unusedWeights))]
  }
}
