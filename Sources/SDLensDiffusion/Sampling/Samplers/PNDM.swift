import SDLensCore

/// PNDM with linear multistep alone, which looks at four predictions (Liu et al., arXiv 2202.09778, equations 11 to 13;
/// diffusers: PNDMScheduler with `skip_prk_steps`). Its second step is taken twice, the first time from where the run began.
struct PNDM: SignalSampler {
  static let className = "PNDMScheduler"
  static let defaults = NoiseLevels.Defaults(mayRescale: false)
  let plan: SamplingPlan
  let levels: SignalLevels
  /// Training steps that a step goes back.
  private let stride: Int

  /// Weights of the last predictions, the latest first.
  private static let weights: [[Float]] = [
    [1], [3.0 / 2, -1.0 / 2], [23.0 / 12, -16.0 / 12, 5.0 / 12],
    [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24],
  ]

  init(_ request: SamplerRequest) throws {
    let config = request.config
    try config.require("prediction_type", "epsilon", "v_prediction")
    try config.require("skip_prk_steps", true, default: false)
    try request.refuseTimesteps(Self.className)
    stride = request.trained / request.steps
    levels = try SignalLevels(request, endsClean: false)
    let all = try request.counted("PNDM")
    plan = try levels.plan(Array(all.prefix(2) + all.dropFirst()), config)
  }

  /// `√(ᾱ'/ᾱ) x − (ᾱ' − ᾱ) ε / (ᾱ √(1 − ᾱ') + √(ᾱ (1 − ᾱ) ᾱ'))`, ε being the mixed predictions.
  func next(
    _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
  ) -> Tensor {
    var now = Int(timesteps[step])
    var then = now - stride
    var (x, weights): (Tensor, [Float]) = (x, [])
    if history.steps == 1 {
      // The first step once more, with the mean of its prediction and that of where it led.
      (now, then) = (now + stride, now)
      x = history.first ?? x
      weights = [0.5, 0.5]
    } else {
      if history.steps == 0 { history.first = x }
      weights = Self.weights[min(history.predictions.count, 3)]
    }
    let all = Array((history.predictions + [prediction]).suffix(4))
    // The prediction of the repeated step is forgotten.
    if history.steps != 1 { history.predictions = all }
    history.steps += 1

    var mixed = all[all.count - 1].scaled(by: weights[0])
    for (place, weight) in weights.enumerated().dropFirst() {
      mixed.add(all[all.count - 1 - place], scale: weight)
    }
    let (from, to) = (levels[now], levels[then])
    mixed = levels.noise(x, mixed, signal: from)
    let kept = (to / from).squareRoot()
    let added = (to - from) / (from * (1 - to).squareRoot() + (from * (1 - from) * to).squareRoot())
    return x.combined(with: mixed) { x, noise in kept * x - added * noise }
  }
}
