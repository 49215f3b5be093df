import SDLensCore

/// Shows the active area alone: what is weakly active or inactive fades to white (annotation, Sec. 5.1 and G).
///
/// The paper gives no formula. Here the picture's share of a pixel is `min(1, s / (full · max s))`, so that all
/// that is at least `full` of the highest activation is shown as it is, and what is inactive is white.
public struct ColdMap: Sendable {
  /// The share of the highest activation from which on a place is shown in full, above 0.
  public var full: Float
  /// Whether to interpolate between the places of the map.
  public var smooth: Bool

  /// A way to fade.
  public init(full: Float = 0.5, smooth: Bool = true) {
    precondition(full > 0, "the share of full visibility must be above 0, not \(full)")
    (self.full, self.smooth) = (full, smooth)
  }

  /// The picture faded by the activations [h, w]; negative ones and NaN are as zero.
  public func callAsFunction(_ activations: Tensor, over picture: Picture) -> Picture {
    let scaling = MapScaling(activations.shape, to: picture, smooth: smooth)
    let highest = activations.finiteRange.upperBound
    let shown = Tensor(
      activations.elements.map { $0 > 0 ? min(1, $0 / (full * highest)) : 0 }, activations.shape)
    return shown.withElements { shown in
      picture.mapPixels { color, x, y in
        SIMD3(repeating: 255).covered(by: color, alpha: Int((scaling.value(shown, x, y) * 255).rounded()))
      }
    }
  }
}
