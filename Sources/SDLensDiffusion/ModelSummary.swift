import SDLensCore

/// What can be said of a model without running it: its parts, its blocks, its pictures.
public struct ModelSummary: Sendable, Encodable {
  /// One part with weights.
  public struct Part: Sendable, Encodable {
    /// The name of its folder, as in `unet`.
    public let name: String
    /// How many numbers were learned.
    public let parameters: Int
    /// Their bytes in the file.
    public let bytes: Int
    /// The number formats they are stored in, as in `F16`.
    public let precision: [String]
  }

  /// One of the transformer blocks.
  public struct Block: Sendable, Encodable {
    /// The short name, as in `down.2.1`.
    public let name: String
    /// The path in the checkpoint.
    public let path: String
    /// Channels of the residual stream.
    public let width: Int
    /// Height and width of the feature map, for a picture of the model's own size.
    public let mapSize: Int
    /// Transformer layers.
    public let layers: Int
    /// Attention heads in each layer.
    public let heads: Int
  }

  /// What `--model` said.
  public let name: String
  /// Where the model lies.
  public let path: String
  /// Changes with the content of the model.
  public let fingerprint: String
  /// The class of the scheduler, as in `EulerAncestralDiscreteScheduler`.
  public let scheduler: String
  /// Of a single file, which settings are used with it; and what else is to be known.
  public let settings: String?
  /// The autoencoder in place of its own, where that was asked for: name and fingerprint.
  public let vae: String?
  /// The LoRAs that change it, with their strengths.
  public let loras: String?
  /// How it is sampled, where that was chosen.
  public let sampler: String?
  /// Height and width of the pictures that the model was trained for, in pixels.
  public let pictureSize: Int
  /// Height and width of their latents.
  public let latentSize: Int
  /// Channels of the latents.
  public let latentChannels: Int
  /// Tokens of a prompt, the first and the last included.
  public let tokens: Int
  /// Width of a token's vector for the U-net.
  public let contextWidth: Int
  /// The parts with weights, in the order in which they run.
  public let parts: [Part]
  /// What decodes drafts, where that was asked for: name and fingerprint.
  public let decoder: String?
  /// Bytes of memory that one picture of the model's own size takes, about.
  public let memory: Int
  /// The blocks, in the order of the forward pass.
  public let blocks: [Block]

  /// Reads the settings and the headers of the weight files.
  public init(_ folder: ModelFolder) throws {
    let layout = try folder.layout
    name = folder.name
    path = folder.path
    fingerprint = try folder.fingerprint().description
    (loras, sampler) = (folder.loraTitle, folder.sampler?.title)
    let notes = folder.notes
    settings = notes.isEmpty ? nil : notes.joined(separator: "; ")
    vae = try folder.otherAutoencoder
    scheduler = try folder.schedulerConfig().string("_class_name")
    latentSize = layout.sampleSize
    latentChannels = layout.inChannels
    pictureSize = try latentSize * DecoderConfig(folder.config("vae")).factor
    tokens = try TextEncoderConfig(folder.config("text_encoder")).positions
    contextWidth = layout.contextWidth
    let entries = try folder.entries()
    parts = entries.map { Part(name: $0, $1) }
    decoder = try folder.otherDecoder
    memory = try ModelMemory(folder, entries).estimate(height: pictureSize, width: pictureSize)
    blocks = layout.blocks.map { block in
      Block(
        name: block.name.description, path: block.name.path, width: block.width,
        mapSize: block.mapSize(latents: (layout.sampleSize, layout.sampleSize)).height, layers: block.layers,
        heads: block.heads)
    }
  }
}

extension ModelSummary.Part {
  fileprivate init(name: String, _ entries: [Safetensors.Entry]) {
    self.name = name
    parameters = entries.reduce(0) { $0 + $1.shape.count }
    bytes = entries.reduce(0) { $0 + $1.range.count }
    precision = Set(entries.map(\.type.rawValue)).sorted()
  }
}
