import CKernels
import Foundation
import SDLensCore

/// Resizing of 8-bit pictures by a windowed filter that widens when the picture shrinks, to the sample as PIL's
/// `Image.resize` does it for pictures without opacity.
///
/// An output pixel at place p is the mean of the input pixels around c = (p + ½) s, s = input / output extent,
/// weighted by filter((i + ½ - c) / max(s, 1)); weights are whole multiples of 2⁻²². Lines come first, then
/// columns, rounded to 8 bits between; since Pillow 13 the other way round where the height loses more than twice what
/// the width does. Source: the resampling of Pillow.
public enum Resampling: Int, CaseIterable, Sendable {
  // The numbers of PIL's Image.Resampling, which preprocessor_config.json names.
  case lanczos = 1
  case bilinear = 2
  case bicubic = 3
  case box = 4

  /// How far the filter reaches, in input pixels when the picture does not shrink.
  private var support: Double {
    switch self {
    case .lanczos: 3
    case .bilinear: 1
    case .bicubic: 2
    case .box: 0.5
    }
  }

  private func filter(_ x: Double) -> Double {
    func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * .pi) / (x * .pi) }
    let distance = abs(x)
    switch self {
    case .lanczos: return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0
    case .bilinear: return max(0, 1 - distance)
    case .bicubic:
      // Keys' cubic with a = -½.
      if distance < 1 { return (1.5 * distance - 2.5) * distance * distance + 1 }
      return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * -0.5 : 0
    case .box: return -0.5 < x && x <= 0.5 ? 1 : 0
    }
  }

  /// The picture in another size, each channel by itself.
  public func callAsFunction(_ picture: Picture, width: Int, height: Int) -> Picture {
    precondition(width > 0 && height > 0 && !picture.samples.isEmpty, "resizing to \(width) × \(height)")
    let losesMoreLines = picture.height - height > max(0, 2 * (picture.width - width))
    return losesMoreLines
      ? resampled(resampled(picture, height: height), width: width)
      : resampled(resampled(picture, width: width), height: height)
  }

  private func resampled(_ picture: Picture, width: Int) -> Picture {
    guard width != picture.width else { return picture }
    let (channels, taps) = (picture.channels, taps(from: picture.width, to: width))
    return resampled(picture, width: width, height: picture.height) { x, row, y in
      for (place, tap) in taps.enumerated() {
        kernel_resample(
          y + place * channels, x + (row * picture.width + tap.first) * channels, channels, tap.weights,
          tap.weights.count, channels)
      }
    }
  }

  private func resampled(_ picture: Picture, height: Int) -> Picture {
    guard height != picture.height else { return picture }
    let (size, taps) = (picture.width * picture.channels, taps(from: picture.height, to: height))
    return resampled(picture, width: picture.width, height: height) { x, row, y in
      kernel_resample(y, x + taps[row].first * size, size, taps[row].weights, taps[row].weights.count, size)
    }
  }

  /// A picture whose rows `fill` writes, given the samples of another, the number of the row and its place.
  private func resampled(
    _ source: Picture, width: Int, height: Int,
    fill: (UnsafePointer<UInt8>, Int, UnsafeMutablePointer<UInt8>) -> Void
  ) -> Picture {
    let size = width * source.channels
    let samples = [UInt8](unsafeUninitializedCapacity: height * size) { target, count in
      let target = target.baseAddress!
      source.samples.withUnsafeBufferPointer { x in
        // Disjoint: each range is some rows of the result.
        Parallel.forRanges(height, grain: max(1, 16384 / size)) {
          for row in $0 { fill(x.baseAddress!, row, target + row * size) }
        }
      }
      count = height * size
    }
    return Picture(width: width, height: height, channels: source.channels, samples: samples)
  }

  /// The input pixels that make an output pixel, from `first` on, and their weights times 2²².
  private struct Tap {
    let first: Int
    let weights: [Int32]
  }

  private func taps(from input: Int, to output: Int) -> [Tap] {
    let scale = Double(input) / Double(output)
    let widening = max(scale, 1)
    let reach = support * widening
    return (0..<output).map { place in
      let center = (Double(place) + 0.5) * scale
      let first = max(0, Int(center - reach + 0.5))
      let last = min(input, Int(center + reach + 0.5))
      let weights = (first..<last).map { filter((Double($0) - center + 0.5) * (1 / widening)) }
      let sum = weights.reduce(0, +)
      return Tap(
        first: first, weights: weights.map { Int32(($0 / sum * 0x1p22).rounded(.toNearestOrAwayFromZero)) })
    }
  }
}
