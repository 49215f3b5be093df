import SDLensDiffusion

extension ModelFolder {
  /// The last layer that all blocks have.
  public func lastLayer(of blocks: [BlockName]) throws -> Int {
    try check(blocks)
    let layout = try layout
    return (blocks.map { layout[$0].layers }.min() ?? 1) - 1
  }

  /// Vectors of a picture in one step, in the largest of some blocks.
  public func vectorsPerPicture(of blocks: [BlockName]) throws -> Int {
    let layout = try layout
    return blocks.map { block in
      let map = layout[block].mapSize(latents: (layout.sampleSize, layout.sampleSize))
      return map.height * map.width
    }.max() ?? 1
  }
}
