import SDLensCore

/// Draws where a feature is active, as colours over the picture.
///
/// By default as the authors do: each activation a block of pixels, from blue for the lowest to red for the
/// highest of the map, 0.6 opaque; where the activation is zero (or NaN), the picture itself. A map of one
/// value is all at the highest. Smooth maps are interpolated, and fade out towards places of zero.
public struct HeatMap: Sendable {
  /// How the colours cover the picture where the feature is active.
  public enum Cover: Sendable {
    /// The same for every activation, as the authors draw.
    case even
    /// The more, the higher the activation, so that what lies below weak ones stays to be seen.
    case rising
  }

  /// That of figures, with a scale from 0.
  public static let ofFigures = HeatMap(opacity: 0.6, cover: .rising)
  /// What the lowest activation of a rising cover has of the opacity of the highest.
  private static let leastCover: Float = 0.15

  /// The scale of colours.
  public var colors: ColorMap
  /// Whether to interpolate between the places of the map.
  public var smooth: Bool
  /// How much of the picture the colours cover at most, 0…1.
  public var opacity: Double
  /// How they cover it.
  public var cover: Cover
  /// The activations of the lowest and the highest colour; those of the map itself if `nil`.
  public var range: ClosedRange<Float>?

  /// A way to draw; without arguments that of the authors.
  public init(
    colors: ColorMap = .jet, smooth: Bool = false, opacity: Double = 0.6, cover: Cover = .even,
    range: ClosedRange<Float>? = nil
  ) {
    precondition(0...1 ~= opacity, "an opacity must be from 0 to 1, not \(opacity)")
    (self.colors, self.smooth, self.opacity) = (colors, smooth, opacity)
    (self.cover, self.range) = (cover, range)
  }

  /// The picture under the activations [h, w], h and w any size.
  public func callAsFunction(_ activations: Tensor, over picture: Picture) -> Picture {
    let scaling = MapScaling(activations.shape, to: picture, smooth: smooth)
    let table = colors.table.map { SIMD3<UInt8>($0) }
    let (shares, covers) = sharesAndCovers(activations)
    return shares.withElements { shares in
      covers.withElements { covers in
        picture.mapPixels { color, x, y in
          let alpha = Int(opacity * 255 * Double(scaling.value(covers, x, y)))
          guard alpha > 0 else { return color }
          return color.covered(by: table[ColorMap.step(scaling.value(shares, x, y))], alpha: alpha)
        }
      }
    }
  }

  /// The colours alone, a pixel of colour and opacity for each activation [h, w]; smoothness is for whoever draws.
  public func overlay(_ activations: Tensor) -> Picture {
    let (shares, covers) = sharesAndCovers(activations)
    let samples = zip(shares.elements, covers.elements).flatMap { share, cover -> [UInt8] in
      guard cover > 0 else { return [0, 0, 0, 0] }
      let color = SIMD3<UInt8>(colors.table[ColorMap.step(share)])
      return [color.x, color.y, color.z, UInt8(opacity * 255 * Double(cover))]
    }
    return Picture(width: activations.shape[1], height: activations.shape[0], channels: 4, samples: samples)
  }

  /// What the colours mean, as they are before they cover a picture, for activations from 0 to `highest`.
  public func scale(to highest: Float) -> ColorScale {
    highest > 0 ? scale(over: 0...highest) : ColorScale(low: "not active")
  }

  /// The same for numbers of any range.
  public func scale(over range: ClosedRange<Float>) -> ColorScale {
    let strip = colors.picture(of: Tensor((0..<256).map { Float($0) }, [1, 256]), range: 0...255)
    return ColorScale(
      strip, low: Double(range.lowerBound).threeDigits, high: Double(range.upperBound).threeDigits)
  }

  /// Where each activation lies in the range, and which part of the opacity covers it.
  private func sharesAndCovers(_ activations: Tensor) -> (shares: Tensor, covers: Tensor) {
    let range = range ?? activations.finiteRange
    let shares = activations.elements.map { value in
      value.isNaN ? 0 : min(1, max(0, range.fraction(of: value)))
    }
    let covers = zip(activations.elements, shares).map { value, share -> Float in
      guard value != 0, !value.isNaN else { return 0 }
      return cover == .even ? 1 : Self.leastCover + (1 - Self.leastCover) * share
    }
    return (Tensor(shares, activations.shape), Tensor(covers, activations.shape))
  }
}

extension Tensor {
  /// From the lowest to the highest element that is a finite number; 0…0 when there is none.
  public var finiteRange: ClosedRange<Float> {
    let finite = elements.filter(\.isFinite)
    return (finite.min() ?? 0)...(finite.max() ?? 0)
  }
}
