import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// The tiny U-net equals diffusers inside and out; the recipe is in Scripts/goldens/unet.py.
@Suite struct UNetGoldenTests {
  static let cases = ["single", "pair", "wide", "even", "odd", "least"]
  // Four times what is reached: 8.4e-7 for the prediction, 2.2e-6 for updates, 3.5e-6 for attention.
  static let (whole, inside, attention): (Float, Float, Float) = (3.5e-6, 7e-6, 1.4e-5)
  let goldens: Safetensors

  init() throws { goldens = try TinyModel.goldens("unet") }

  /// What a case gives to the U-net.
  struct Inputs {
    let latents, text, pooled: Tensor
    let timestep: Double
    let timeIDs: [Float]

    init(_ name: String, _ goldens: Safetensors) throws {
      latents = try goldens.channelsLast("\(name).latents")
      text = try goldens.tensor("\(name).prompt_embeds")
      pooled = try goldens.tensor("\(name).pooled_prompt_embeds")
      timestep = Double(try goldens.tensor("\(name).timestep")[0])
      timeIDs = try goldens.tensor("\(name).time_ids").elements
    }

    func callAsFunction(_ unet: UNet, hooks: HookSet = HookSet()) -> Tensor {
      unet(latents, timestep: timestep, text: text, pooled: pooled, timeIDs: timeIDs, hooks: hooks)
    }

    func conditioning(_ unet: UNet) -> UNet.Conditioning {
      unet.conditioning(timestep: timestep, text: text, pooled: pooled, timeIDs: timeIDs)
    }
  }

  // unet(latents, timestep, encoder_hidden_states=text, added_cond_kwargs={…}).sample
  @Test(arguments: cases) func thePredictionEqualsDiffusers(_ name: String) throws {
    let prediction = try Inputs(name, goldens)(TinyModel.unet)
    try goldens.expect(prediction, equals: "\(name).noise_pred", within: Self.whole)
  }

  // block.register_forward_pre_hook, block.register_forward_hook; update = output - input
  @Test(arguments: cases, EngineChoice.engines)
  func everyBlockEqualsDiffusers(_ name: String, _ engine: EngineChoice) throws {
    let recorder = Recorder()
    var hooks = HookSet()
    for block in BlockName.sdxl { recorder.record(HookSet.Site.allCases, of: block, in: &hooks) }
    let prediction = try Inputs(name, goldens)(TinyModel.unet(engine), hooks: hooks)
    #expect(recorder.tensors.count == 33)
    for block in BlockName.sdxl {
      for site in [HookSet.Site.input, .update, .output] {
        let tensor = try #require(recorder[block, site, step: 0], "nothing of \(site) of \(block)")
        try goldens.expect(tensor, equals: "\(name).\(block).\(site)", within: Self.inside)
      }
    }
    try goldens.expect(prediction, equals: "\(name).noise_pred", within: Self.whole)
  }

  // to_q(x), to_k(context) … .softmax(dim=-1); probabilities @ to_v(context), before to_out
  @Test(arguments: ["single", "pair", "odd"], EngineChoice.engines)
  func attentionEqualsDiffusers(_ name: String, _ engine: EngineChoice) throws {
    var hooks = HookSet()
    var seen: [String: Tensor] = [:]
    for (block, layer) in [("down.1.0", 0), ("down.2.1", 1), ("mid.0", 0), ("up.1.2", 0)] {
      for (kind, suffix) in [(HookSet.AttentionKind.selfAttention, "self"), (.crossAttention, "cross")] {
        let place = "\(name).\(block).layer\(layer).\(suffix)"
        let block = try BlockName(block)
        hooks.observe(.probabilities, of: kind, layer: layer, in: block) { x, _ in
          seen["\(place).probabilities"] = x
        }
        hooks.observe(.headOutputs, of: kind, layer: layer, in: block) { x, _ in seen["\(place).heads"] = x }
      }
    }
    _ = try Inputs(name, goldens)(TinyModel.unet(engine), hooks: hooks)
    #expect(seen.count == 16)
    for (place, found) in seen.sorted(by: { $0.key < $1.key }) {
      let wanted = try goldens.tensor(place)
      // Heads side by side, [batch, queries, heads · d], against [batch, heads, queries, d].
      let shape = wanted.shape
      let tensor =
        place.hasSuffix(".heads")
        ? found.reshaped([shape[0], shape[2], shape[1], shape[3]]).middleAxesSwapped() : found
      expectClose(tensor, wanted, within: Self.attention, "\(place)")
    }
  }

  // unet.time_embedding(…) + unet.add_embedding(…), which every residual block takes through silu
  @Test(arguments: cases) func theTimeEmbeddingEqualsDiffusers(_ name: String) throws {
    var wanted = try goldens.tensor("\(name).time_embedding")
    wanted.apply(.silu)
    let time = try Inputs(name, goldens).conditioning(TinyModel.unet).time
    expectClose(time, wanted, within: 2e-6, "\(name).time_embedding")
  }

  // get_timestep_embedding(times, dim, flip_sin_to_cos=True, downscale_freq_shift=0)
  // PyTorch's vectorised exp rounds a few of the frequencies the other way, which the step 999 magnifies.
  @Test(arguments: [12, 16, 256, 320]) func sinusoidsEqualDiffusers(_ width: Int) throws {
    let layers = try Goldens(beside: #filePath.replacing("Diffusion", with: "Core")).tensors(
      "layers.safetensors")
    let name = "timestep_embedding.\(width)"
    let times = try layers.tensor("\(name).input").elements
    let rows = times.flatMap { TimeEmbedding.sinusoids(Double($0), width: width) }
    try layers.expect(Tensor(rows, [times.count, width]), equals: "\(name).output", within: 1e-4)
  }

  // The pass stopped after every step: conv_in and the outputs of the stages.
  @Test(arguments: cases) func everyStageEqualsDiffusersAndPartsMakeTheWhole(_ name: String) throws {
    let stages = [
      0: "conv_in", 6: "down_blocks.0", 14: "down_blocks.1", 20: "down_blocks.2", 24: "mid_block",
      34: "up_blocks.0", 44: "up_blocks.1", 50: "up_blocks.2", 51: "noise_pred",
    ]
    let unet = try TinyModel.unet
    let inputs = try Inputs(name, goldens)
    let conditioning = inputs.conditioning(unet)
    let whole = withThreads(2) { inputs(unet) }
    try withThreads(2) {
      try #require(unet.allSteps == 0..<52)
      var state = UNet.State(stream: inputs.latents)
      var kept: [UNet.State] = []
      for step in unet.allSteps {
        kept.append(state)
        unet.run(step..<step + 1, on: &state, conditioning, hooks: HookSet(), step: 0)
        guard let stage = stages[step] else { continue }
        try goldens.expect(state.stream, equals: "\(name).\(stage)", within: Self.inside)
      }
      expectSame(state.stream, whole, "step by step")
      // From any state that was kept on the way, as often as wanted.
      for step in [1, 17, 23, 40, 51] {
        unet.run(step..<unet.allSteps.upperBound, on: &kept[step], conditioning, hooks: HookSet(), step: 0)
        expectSame(kept[step].stream, whole, "continued from step \(step)")
      }
    }
  }

  @Test(arguments: ["pair", "odd"]) func aBatchEqualsItsPicturesAlone(_ name: String) throws {
    let inputs = try Inputs(name, goldens)
    let unet = try TinyModel.unet
    let both = inputs(unet)
    for picture in 0..<2 {
      let alone = unet(
        inputs.latents.picture(picture), timestep: inputs.timestep, text: inputs.text.picture(picture),
        pooled: inputs.pooled.picture(picture), timeIDs: Array(inputs.timeIDs[6 * picture..<6 * picture + 6]))
      expectClose(both.picture(picture), alone, within: Self.whole, "picture \(picture) of \(name)")
    }
  }
}

extension Tensor {
  /// [a, b, c, d] → [a, c, b, d].
  fileprivate func middleAxesSwapped() -> Tensor {
    let (a, b, c, d) = (shape[0], shape[1], shape[2], shape[3])
    let values = (0..<count).map { place in
      let (first, second, third) = (place / (b * c * d), place / (b * d) % c, place / d % b)
      return self[((first * b + third) * c + second) * d + place % d]
    }
    return Tensor(values, [a, c, b, d])
  }
}
