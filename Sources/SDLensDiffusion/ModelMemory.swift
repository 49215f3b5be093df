import SDLensCore

/// The memory that runs of a model take, in bytes.
public struct ModelMemory: Sendable {
  /// The weights of both text encoders, of the U-net and of what decodes, where they lie in their files.
  let text, unet, vae: Int
  private let model: String
  private let widths: [Int]

  /// Reads the settings and the headers of the weight files.
  public init(_ folder: ModelFolder) throws { try self.init(folder, folder.entries()) }

  /// - Parameter parts: as `ModelFolder.entries` gives them.
  init(_ folder: ModelFolder, _ parts: [(name: String, entries: [Safetensors.Entry])]) throws {
    let bytes = parts.map { $0.entries.reduce(0) { $0 + $1.range.count } }
    // What decodes comes last: the VAE, or the decoder of drafts behind it.
    (text, unet, vae) = (bytes[0] + bytes[1], bytes[2], bytes[bytes.count - 1])
    model = folder.name
    widths = try folder.draft.map { [$0.config.width] } ?? DecoderConfig(folder.config("vae")).widths
  }

  /// A map of the decoder's widest stage that has the size of the picture.
  private func map(_ height: Int, _ width: Int) -> Int { height * width * (widths.prefix(2).max() ?? 0) * 4 }

  /// What one picture takes, about: the weights of one part at a time, and maps.
  public func estimate(height: Int, width: Int) -> Int {
    let map = map(height, width)
    return max(text, unet, vae + 2 * map) + 3 * map
  }

  /// Refuses a run that surely has no room, before anything is computed.
  ///
  /// U-net and VAE are mapped together, and the last convolution of the decoder reads one map and writes another.
  ///
  /// - Parameter decodes: whether the run makes pictures; recording alone does not.
  /// - Throws: `TooLittleMemory`.
  public func check(height: Int, width: Int, decodes: Bool = true) throws {
    try TooLittleMemory.check(
      model, mapped: (unet + vae, "its weights"),
      written: decodes ? (2 * map(height, width), "a picture of \(width) × \(height)") : nil,
      advice:
        "choose a smaller --size or a model with float16 weights, or run it where there is more; 'sdlens info' says "
        + "what a model takes")
  }

  /// Says when a run will work, but slowly: what is read of the weights is dropped and read again.
  public func note(height: Int, width: Int) -> String? {
    let (needed, available) = (estimate(height: height, width: width), Memory.available)
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
    let parts: [(String, [Safetensors.Entry])] = try [
      ("text_encoder", TextEncoder.unusedWeights(projected: false)),
      ("text_encoder_2", TextEncoder.unusedWeights(projected: true)),
      ("unet", []),
      ("vae", Decoder.unusedWeights),
    ].map { ($0, try weights($0).entries(ignoring: $1)) }
    guard let draft else { return parts }
    return parts + [("decoder", try draft.weights().entries(ignoring: TinyDecoder.unusedWeights))]
  }
}
