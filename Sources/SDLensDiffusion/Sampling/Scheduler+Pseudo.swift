import SDLensCore

/// PNDM with linear multistep alone, which looks at four predictions (Liu et al., arXiv 2202.09778, equations 11 to 13;
/// diffusers: PNDMScheduler with `skip_prk_steps`). Its second step is taken twice, the first time from where the run began.
extension Scheduler {
  /// Weights of the last predictions, the latest first.
  private static let weights: [[Float]] = [
    [1], [3.0 / 2, -1.0 / 2], [23.0 / 12, -16.0 / 12, 5.0 / 12],
    [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24],
  ]

  /// `√(ᾱ'/ᾱ) x − (ᾱ' − ᾱ) ε / (ᾱ √(1 − ᾱ') + √(ᾱ (1 − ᾱ) ᾱ'))`, ε being the mixed predictions.
  func nextOfPNDM(_ x: Tensor, _ prediction: Tensor, step: Int, history: inout History) -> Tensor {
    var now = Int(timesteps[step])
    var then = now - variance.stride
    var (x, weights): (Tensor, [Float]) = (x, [])
    if history.steps == 1 {
      // The first step once more, with the mean of its prediction and that of where it led.
      (now, then) = (now + variance.stride, now)
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
    let (from, to) = (signal(now), signal(then))
    if self.prediction == .velocity {
      let (a, s) = (from.squareRoot(), (1 - from).squareRoot())
      mixed = mixed.combined(with: x) { velocity, x in a * velocity + s * x }
    }
    let kept = (to / from).squareRoot()
    let added = (to - from) / (from * (1 - to).squareRoot() + (from * (1 - from) * to).squareRoot())
    return x.combined(with: mixed) { x, noise in kept * x - added * noise }
  }
}
