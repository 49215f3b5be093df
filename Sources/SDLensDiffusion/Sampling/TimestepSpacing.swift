/// How the steps of a run are spread over the training steps.
enum TimestepSpacing: String, CaseIterable {
  case linspace, leading, trailing

  /// The training steps of a run, latest first; `left` are those that are left out at the noisy end, by `trailing` alone.
  func timesteps(_ steps: Int, of trained: Int, offset: Int, without left: Int = 0) -> [Float] {
    switch self {
    case .linspace:
      let step = steps > 1 ? Double(trained - 1) / Double(steps - 1) : 0
      return (0..<steps).reversed().map { Float(Double($0) * step) }
    case .leading:
      return (0..<steps).reversed().map { Float($0 * (trained / steps)) + Float(offset) }
    case .trailing:
      // As NumPy counts from `trained` down to 0: for 61 steps and some other numbers its rounding finds room
      // for one more, at -1, and diffusers takes it.
      let (start, step) = (Double(trained - left), Double(trained) / Double(steps))
      let difference = (start - step) - start
      return (0..<Int((start / step).rounded(.up))).map {
        Float((start + Double($0) * difference).rounded(.toNearestOrEven)) - 1
      }
    }
  }
}
