import SDLensCore

extension UNetConfig {
  /// What is known of a transformer block before its weights are read.
  public struct Block: Sendable {
    /// Its name.
    public let name: BlockName
    /// Channels of the residual stream there.
    public let width: Int
    /// Transformer layers in it.
    public let layers: Int
    /// Heads of each attention.
    public let heads: Int
    /// The level of the U-net, 0 being the outermost.
    public let level: Int

    /// Height and width of its map for latents of a size: halved at each level of the U-net, and rounded up.
    public func mapSize(latents: (height: Int, width: Int)) -> (height: Int, width: Int) {
      func halved(_ size: Int) -> Int { (0..<level).reduce(size) { size, _ in (size + 1) / 2 } }
      return (halved(latents.height), halved(latents.width))
    }
  }

  /// The transformer blocks, in the order of the forward pass.
  public var blocks: [Block] { BlockName.all.filter { depths[$0] != nil }.map { self[$0] } }

  /// Refuses blocks that the model does not have.
  ///
  /// - Throws: `NoSuchBlock`.
  public func check(_ names: some Sequence<BlockName>) throws {
    for name in names where depths[name] == nil {
      throw NoSuchBlock(block: name, present: blocks.map(\.name))
    }
  }

  /// What is known of one that is there.
  public subscript(_ name: BlockName) -> Block {
    guard let layers = depths[name] else { preconditionFailure("no block \(name)") }
    let level = family.level(of: name)
    return Block(name: name, width: widths[level], layers: layers, heads: heads[level], level: level)
  }
}

extension ModelFolder {
  /// The names of the model's transformer blocks, in the order of the forward pass.
  public var blocks: [BlockName] { get throws { try UNetConfig(config("unet")).blocks.map(\.name) } }

  /// Refuses blocks that the model does not have.
  ///
  /// - Throws: `NoSuchBlock`, and what is wrong with the U-net's configuration.
  public func check(_ blocks: some Sequence<BlockName>) throws {
    try UNetConfig(config("unet")).check(blocks)
  }
}

/// A block that SDXL has, but not this model.
struct NoSuchBlock: UserError {
  let block: BlockName
  let present: [BlockName]
  var description: String {
    "the model has no block \(block); its \(present.count) blocks are: "
      + present.map(\.description).joined(separator: ", ")
  }
}
