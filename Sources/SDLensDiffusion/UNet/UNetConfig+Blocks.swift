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

    /// Height and width of its map for latents of a size: halved at each level of the U-net, and rounded up.
    public func mapSize(latents: (height: Int, width: Int)) -> (height: Int, width: Int) {
      func halved(_ size: Int) -> Int { (0..<name.level).reduce(size) { size, _ in (size + 1) / 2 } }
      return (halved(latents.height), halved(latents.width))
    }
  }

  /// The transformer blocks, in the order of the forward pass.
  public var blocks: [Block] { BlockName.all.map { self[$0] } }

  /// What is known of one.
  public subscript(_ name: BlockName) -> Block {
    Block(name: name, width: widths[name.level], layers: depths[name.level], heads: heads[name.level])
  }
}
