import SDLensCore

/// Named numbers of a dictionary: what it has learnt, a gradient, or a mean that Adam keeps.
///
/// There is one list, and whoever goes through all parameters goes through it: the gradient, the optimizer, checkpoints,
/// files and fingerprints. The first four are always there, in this order; a selection by thresholds adds its own.
public struct Parameters: Sendable {
  /// One of them.
  public struct Item: Sendable {
    /// As it is called in files.
    public let name: String
    /// Its numbers.
    public var tensor: Tensor
  }

  /// All of them.
  public private(set) var list: [Item]

  /// `W_enc`, [features, width].
  public var encoder: Tensor {
    get { list[0].tensor }
    _modify { yield &list[0].tensor }
  }
  /// `W_decᵀ`, [features, width]: row ρ is the direction `f_ρ`.
  public var decoder: Tensor {
    get { list[1].tensor }
    _modify { yield &list[1].tensor }
  }
  /// `b_pre`, [width].
  public var preBias: Tensor {
    get { list[2].tensor }
    _modify { yield &list[2].tensor }
  }
  /// `b_act`, [features].
  public var latentBias: Tensor {
    get { list[3].tensor }
    _modify { yield &list[3].tensor }
  }
  /// `θ`, [features]; nil where features are not selected by thresholds.
  public var threshold: Tensor? {
    get { list.count > 4 ? list[4].tensor : nil }
    set { list[4...] = newValue.map { [Item(name: Self.names[4], tensor: $0)] } ?? [] }
  }

  /// The names of all that there may be, in the order of the list.
  static let names = ["encoder", "decoder", "pre_bias", "latent_bias", "threshold"]

  /// The parts as given.
  package init(
    encoder: Tensor, decoder: Tensor, latentBias: Tensor, preBias: Tensor, threshold: Tensor? = nil
  ) {
    list = zip(Self.names, [encoder, decoder, preBias, latentBias]).map { Item(name: $0, tensor: $1) }
    self.threshold = threshold
  }

  /// Zeros, in the shapes of others.
  init(zeros other: Parameters) {
    list = other.list.map { Item(name: $0.name, tensor: Tensor($0.tensor.shape)) }
  }

  /// Takes each part that a selection needs by its name and shape.
  init(
    features: Int, width: Int, _ selection: Selection, _ tensor: (String, Shape) throws -> Tensor
  ) rethrows {
    let shapes: [Shape] = [[features, width], [features, width], [width], [features], [features]]
    let count = if case .topK = selection { 4 } else { 5 }
    list = try zip(Self.names, shapes).prefix(count).map { Item(name: $0, tensor: try tensor($0, $1)) }
  }

  /// Changes both matrices at once, where they lie.
  mutating func updateMatrices(_ body: (_ encoder: inout Tensor, _ decoder: inout Tensor) -> Void) {
    var (encoder, decoder) = (encoder, decoder)
    // No other holds them meanwhile: they are not copied.
    (list[0].tensor, list[1].tensor) = (Tensor([0]), Tensor([0]))
    body(&encoder, &decoder)
    (list[0].tensor, list[1].tensor) = (encoder, decoder)
  }

  /// Changes one, by its place in the list.
  mutating func update(_ index: Int, _ body: (inout Tensor) -> Void) { body(&list[index].tensor) }
}
