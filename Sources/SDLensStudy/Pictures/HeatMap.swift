import SDLensCore

/// Draws where a feature is active, as colours over the picture.
///
/// By default as the authors do: each activation a block of pixels, from blue for the lowest to red for the
/// highest of the map, 0.6 opaque; where the activation is zero (or NaN), the picture itself. A map of one
/// value is all at the highest. Smooth maps are interpolated, and fade out towards places of zero.
public struct HeatMap: Sendable {
  /// The scale of colours.
  public var colors: ColorMap
  /// Whether to interpolate between the places of the map.
  public var smooth: Bool
  /// How much of the picture the colours cover, 0…1.
  public var opacity: Double
  /// The activations of the lowest and the highest colour; those of the map itself if `nil`.
  public var range: ClosedRange<Float>?

  /// A way to draw; without arguments that of the authors.
  public init(
    colors: ColorMap = .jet, smooth: Bool = false, opacity: Double = 0.6, range: ClosedRange<Float>? = nil
  ) {
    (self.colors, self.smooth, self.opacity, self.range) = (colors, smooth, opacity, range)
  }

  /// The picture under the activations [h, w], h and w any size.
  public func callAsFunction(_ activations: Tensor, over picture: Picture) -> Picture {
    let scaling = MapScaling(activations.shape, to: picture, smooth: smooth)
    let range = range ?? activations.finiteRange
    let table = colors.table.map { SIMD3<UInt8>($0) }
    let shares = Tensor(
      activations.elements.map { $0.isNaN ? 0 : min(1, max(0, range.fraction(of: $0))) }, activations.shape)
    let active = Tensor(activations.elements.map { $0 == 0 || $0.isNaN ? 0 : 1 }, activations.shape)
    return shares.withElements { shares in
      active.withElements { active in
        picture.mapPixels { color, x, y in
          let alpha = Int(opacity * 255 * Double(scaling.value(active, x, y)))
          guard alpha > 0 else { return color }
          return color.covered(by: table[ColorMap.step(scaling.value(shares, x, y))], alpha: alpha)
        }
      }
    }
  }
}

extension HeatMap {
  /// The colours alone, a pixel of colour and opacity for each activation [h, w]; smoothness is for whoever draws.
  public func overlay(_ activations: Tensor) -> Picture {
    let range = range ?? activations.finiteRange
    let alpha = UInt8((opacity * 255).rounded(.down))
    let samples = activations.elements.flatMap { value -> [UInt8] in
      guard value != 0, !value.isNaN else { return [0, 0, 0, 0] }
      let color = SIMD3<UInt8>(colors.table[ColorMap.step(min(1, max(0, range.fraction(of: value))))])
      return [color.x, color.y, color.z, alpha]
    }
    return Picture(width: activations.shape[1], height: activations.shape[0], channels: 4, samples: samples)
  }
}

extension Tensor {
  /// From the lowest to the highest element that is a finite number; 0…0 when there is none.
  public var finiteRange: ClosedRange<Float> {
    let finite = elements.filter(\.isFinite)
    return (finite.min() ?? 0)...(finite.max() ?? 0)
  }
}
