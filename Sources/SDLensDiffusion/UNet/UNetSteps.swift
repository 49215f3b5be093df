import SDLensCore

/// Builds the list of steps: down, middle and up, as the checkpoint names them.
struct UNetSteps {
  private(set) var all: [UNet.Step] = []
  private let config: UNetConfig

  init(_ w: WeightScope, config: UNetConfig) throws {
    self.config = config
    let widths = config.widths
    all.append(.convolve(try Convolution(w["conv_in"], inputs: config.inChannels, outputs: widths[0])))
    all.append(.keep)
    try addDown(w["down_blocks"])
    try addMiddle(w["mid_block"])
    try addUp(w["up_blocks"])
    all.append(
      .finish(
        try GroupNorm(
          w["conv_norm_out"], channels: widths[0], groups: config.groups, epsilon: config.epsilon),
        try Convolution(w["conv_out"], inputs: widths[0], outputs: config.outChannels)))
  }

  private mutating func addDown(_ w: WeightScope) throws {
    let widths = config.widths
    for stage in widths.indices {
      for index in 0..<config.layersPerStage {
        let inputs = index == 0 ? widths[max(0, stage - 1)] : widths[stage]
        try addResidual(w[stage]["resnets"][index], inputs: inputs, outputs: widths[stage])
        try addTransformer(.down, stage: stage, index, at: w[stage])
        all.append(.keep)
      }
      if stage < widths.count - 1 {
        let convolution = try Convolution(
          w[stage]["downsamplers"][0]["conv"], inputs: widths[stage], outputs: widths[stage], stride: 2)
        all += [.convolve(convolution), .keep]
      }
    }
  }

  private mutating func addMiddle(_ w: WeightScope) throws {
    let width = config.widths[config.widths.count - 1]
    try addResidual(w["resnets"][0], inputs: width, outputs: width)
    // Without attention there is nothing to stand behind it.
    guard try addTransformer(.mid, stage: 0, 0, at: w) else { return }
    try addResidual(w["resnets"][1], inputs: width, outputs: width)
  }

  private mutating func addUp(_ w: WeightScope) throws {
    let widths = Array(config.widths.reversed())
    for stage in widths.indices {
      for index in 0...config.layersPerStage {
        // Each residual block takes the stream and the feature map that the way down kept last.
        let stream = index == 0 ? widths[max(0, stage - 1)] : widths[stage]
        let skip = index == config.layersPerStage ? widths[min(stage + 1, widths.count - 1)] : widths[stage]
        all.append(.join)
        try addResidual(
          w[stage]["resnets"][index], inputs: stream + skip, outputs: widths[stage])
        try addTransformer(.up, stage: stage, index, at: w[stage])
      }
      if stage < widths.count - 1 {
        all.append(
          .upsample(
            try Convolution(
              w[stage]["upsamplers"][0]["conv"], inputs: widths[stage], outputs: widths[stage])))
      }
    }
  }

  private mutating func addResidual(_ w: WeightScope, inputs: Int, outputs: Int) throws {
    all.append(
      .residual(
        try ResidualBlock(
          w, inputs: inputs, outputs: outputs, timeWidth: config.embeddingWidth, groups: config.groups,
          epsilon: config.epsilon)))
  }

  /// Adds the transformer block of that name, where there is one; says whether there is.
  @discardableResult private mutating func addTransformer(
    _ part: BlockName.Part, stage: Int, _ index: Int, at w: WeightScope
  ) throws -> Bool {
    let block = config.blocks.first {
      $0.name.part == part && $0.name.stage == stage && $0.name.index == index
    }
    guard let name = block?.name else { return false }
    all.append(.transformer(try SpatialTransformer(w["attentions"][index], config[name], config: config)))
    return true
  }
}
