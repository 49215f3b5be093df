import SDLensCore

/// The network that predicts the noise in latents, as everything around it knows it: blocks by name and size, and a pass that
/// can be stopped before each, kept as a value, and gone on with.
///
/// Runs, hooks, edits, reused passes and recording ask for no more; `UNet` is the one of SDXL and Stable Diffusion.
public protocol Denoiser: Sendable {
  associatedtype Pass: DenoiserPass

  /// Its blocks, and the sizes of what it takes.
  var layout: any DenoiserLayout { get }

  /// The beginning of a pass: latents [batch, height, width, channels] at a time step to the predicted noise.
  ///
  /// - Parameters:
  ///   - latents: already scaled for the step by the sampler.
  ///   - text: prompt embeddings [batch, tokens, context].
  ///   - pooled: pooled prompt embeddings [batch, p]; p is 0 where the network is told of the prompt alone.
  ///   - timeIDs: original height and width, crop top and left, target height and width, for all pictures
  ///     or for each.
  ///   - step: the number of the denoising step, from 0, for the hooks.
  func pass(
    _ latents: Tensor, timestep: Double, text: Tensor, pooled: Tensor, timeIDs: [Float], step: Int
  ) -> Pass
}

/// One pass through a network on its way from latents to a prediction.
///
/// A pass is a value: stopped before a block and copied, each copy goes on by itself, as often as wanted
/// and bit for bit as if it had never stopped.
public protocol DenoiserPass: Sendable {
  /// The number of the denoising step, from 0.
  var step: Int { get }

  /// The residual stream [batch, height, width, channels]: `D_in` of the block that the pass stands before.
  var stream: Tensor { get }

  /// Goes on until just before `block`, which must not lie behind.
  ///
  /// - Parameter update: as for `finish`; `block` must then lie ahead.
  mutating func run(before block: BlockName, hooks: HookSet, update: Tensor?)

  /// Goes on until just behind the last of some blocks, which must not lie behind.
  mutating func run(through blocks: [BlockName], hooks: HookSet)

  /// Goes on to the end.
  ///
  /// - Parameter update: what the block that the pass stands before computed in another copy; it is taken
  ///   as this block's own, and goes through the hooks on the update and on the output.
  /// - Returns: the predicted noise, in the shape of the latents.
  mutating func finish(hooks: HookSet, update: Tensor?) -> Tensor
}

extension DenoiserPass {
  /// Goes on until just before `block`, which must not lie behind.
  public mutating func run(before block: BlockName, hooks: HookSet = HookSet()) {
    run(before: block, hooks: hooks, update: nil)
  }

  /// Goes on to the end, and gives the predicted noise.
  public mutating func finish(hooks: HookSet = HookSet()) -> Tensor { finish(hooks: hooks, update: nil) }
}

extension Denoiser {
  /// A whole pass; parameters as of `pass`.
  public func callAsFunction(
    _ latents: Tensor, timestep: Double, text: Tensor, pooled: Tensor, timeIDs: [Float],
    hooks: HookSet = HookSet(), step: Int = 0
  ) -> Tensor {
    var pass = pass(
      latents, timestep: timestep, text: text, pooled: pooled, timeIDs: timeIDs, step: step)
    return pass.finish(hooks: hooks)
  }
}

/// The blocks of a network, and the sizes of what it takes: known before its weights are read.
public protocol DenoiserLayout: Sendable {
  /// The transformer blocks, in the order of the forward pass.
  var blocks: [BlockLayout] { get }
  /// Width of the prompt embeddings.
  var contextWidth: Int { get }
  /// Width of the pooled prompt embedding; 0 where the network is told of the prompt alone.
  var pooledWidth: Int { get }
  /// Channels of the latents.
  var inChannels: Int { get }
  /// Channels of the prediction.
  var outChannels: Int { get }
  /// Height and width of the latents that the model was trained for.
  var sampleSize: Int { get }
}

extension DenoiserLayout {
  /// Refuses blocks that the model does not have.
  ///
  /// - Throws: `NoSuchBlock`.
  public func check(_ names: some Sequence<BlockName>) throws {
    let present = blocks.map(\.name)
    for name in names where !present.contains(name) { throw NoSuchBlock(block: name, present: present) }
  }

  /// What is known of a block that is there.
  public subscript(_ name: BlockName) -> BlockLayout {
    guard let block = blocks.first(where: { $0.name == name }) else {
      preconditionFailure("no block \(name)")
    }
    return block
  }
}

/// What is known of a transformer block before its weights are read.
public struct BlockLayout: Sendable {
  /// Its name.
  public let name: BlockName
  /// Channels of the residual stream there.
  public let width: Int
  /// Transformer layers in it.
  public let layers: Int
  /// Heads of each attention.
  public let heads: Int
  /// How often the map was halved, 0 being the outermost level.
  public let level: Int

  /// Describes one.
  public init(name: BlockName, width: Int, layers: Int, heads: Int, level: Int) {
    (self.name, self.width, self.layers, self.heads, self.level) = (name, width, layers, heads, level)
  }

  /// Height and width of its map for latents of a size: halved at each level, and rounded up.
  public func mapSize(latents: (height: Int, width: Int)) -> (height: Int, width: Int) {
    func halved(_ size: Int) -> Int { (0..<level).reduce(size) { size, _ in (size + 1) / 2 } }
    return (halved(latents.height), halved(latents.width))
  }
}

extension ModelFolder {
  /// The blocks and sizes of the model's network.
  ///
  /// - Throws: what is wrong with its configuration.
  public var layout: any DenoiserLayout { get throws { try UNetConfig(config("unet")) } }

  /// The names of the model's transformer blocks, in the order of the forward pass.
  public var blocks: [BlockName] { get throws { try layout.blocks.map(\.name) } }

  /// Refuses blocks that the model does not have.
  ///
  /// - Throws: `NoSuchBlock`, and what is wrong with the network's configuration.
  public func check(_ blocks: some Sequence<BlockName>) throws { try layout.check(blocks) }
}

/// A block that some model has, but not this one.
struct NoSuchBlock: UserError {
  let block: BlockName
  let present: [BlockName]
  var description: String {
    "the model has no block \(block); its \(present.count) blocks are: "
      + present.map(\.description).joined(separator: ", ")
  }
}
