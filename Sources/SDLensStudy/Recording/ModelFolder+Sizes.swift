import SDLensDiffusion

extension ModelFolder {
  /// The last layer that all blocks have.
  public func lastLayer(of blocks: [BlockName]) throws -> Int {
    try check(blocks)
    let config = try UNetConfig(config("unet"))
    return (blocks.map { config[$0].layers }.min() ?? 1) - 1
  }

  /// Vectors of a picture in one step, in the largest of some blocks.
  public func vectorsPerPicture(of blocks: [BlockName]) throws -> Int {
    let config = try UNetConfig(config("unet"))
    return blocks.map { block in
      let map = config[block].mapSize(latents: (config.sampleSize, config.sampleSize))
      return map.height * map.width
    }.max() ?? 1
  }
}
