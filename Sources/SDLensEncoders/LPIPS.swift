import CKernels
import SDLensCore

/// LPIPS: how different two pictures look, by the features of a network for recognising things
/// (`lpips.LPIPS(net=…)`, version 0.1).
///
/// Σ over layers of the mean over pixels of Σ_c w_c (a_c / (‖a‖ + ε) - b_c / (‖b‖ + ε))², where a and b are the
/// channels of both pictures at one pixel after a ReLU, ε = 10⁻¹⁰.
///
/// Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
public struct LPIPS: Sendable {
  /// The networks, by their names in `lpips`.
  public enum Network: String, CaseIterable, Sendable {
    case alex
    case vgg
  }

  /// What a network makes of pictures of one size: the maps that are compared.
  public struct Features: Sendable {
    fileprivate let maps: [Tensor]
    /// How many pictures.
    public var count: Int { maps[0].shape[0] }
  }

  /// The network.
  public let network: Network
  /// Changes when the weights do.
  public let fingerprint: Fingerprint
  private let stages: [Stage]
  /// The weights of the channels of each map.
  private let heads: [Tensor]

  /// A pooling, if any, then convolutions, each followed by a ReLU; what comes out is compared.
  private struct Stage {
    let pooling: MaxPooling?
    let convolutions: [Convolution]
  }

  private static let epsilon: Float = 1e-10
  /// (x - shift) / scale for red, green and blue: ImageNet's mean and spread on samples from -1 to 1.
  private static let shift: [Float] = [-0.030, -0.088, -0.188]
  private static let scale: [Float] = [0.458, 0.448, 0.450]

  /// Reads `alex.safetensors` or `vgg.safetensors` of a folder made by Scripts/export_lpips.py.
  ///
  /// - Throws: `LPIPSMissing`, and `WeightError`.
  public init(folder: String, network: Network = .alex, engine: any Engine = KernelEngine()) throws {
    let file: WeightFile
    do {
      file = try WeightFile(folder: folder, name: network.rawValue, engine: engine)
    } catch WeightError.noFile { throw LPIPSMissing(folder: folder, network: network) }
    var number = 0
    var inputs = 3
    func convolution(_ outputs: Int, kernel: Int, stride: Int = 1, padding: Int) throws -> Convolution {
      defer { (number, inputs) = (number + 1, outputs) }
      return try Convolution(
        file.root["convolutions"][number], inputs: inputs, outputs: outputs, kernel: kernel, stride: stride,
        padding: padding)
    }
    switch network {
    case .alex:
      let pooling = MaxPooling(window: 3, stride: 2)
      stages = [
        Stage(pooling: nil, convolutions: [try convolution(64, kernel: 11, stride: 4, padding: 2)]),
        Stage(pooling: pooling, convolutions: [try convolution(192, kernel: 5, padding: 2)]),
        Stage(pooling: pooling, convolutions: [try convolution(384, kernel: 3, padding: 1)]),
        Stage(pooling: nil, convolutions: [try convolution(256, kernel: 3, padding: 1)]),
        Stage(pooling: nil, convolutions: [try convolution(256, kernel: 3, padding: 1)]),
      ]
    case .vgg:
      stages = try [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)].enumerated().map { index, stage in
        Stage(
          pooling: index == 0 ? nil : MaxPooling(window: 2, stride: 2),
          convolutions: try (0..<stage.1).map { _ in try convolution(stage.0, kernel: 3, padding: 1) })
      }
    }
    let widths = network == .alex ? [64, 192, 384, 256, 256] : [64, 128, 256, 512, 512]
    heads = try widths.enumerated().map { index, width in
      try file.root["heads"][index].tensor("weight", [width])
    }
    try file.finish()
    fingerprint = try Fingerprint(of: [], and: file, in: folder)
    self.network = network
  }

  /// The fewest pixels that a side of a picture may have.
  public var smallestSide: Int { network == .alex ? 31 : 16 }

  /// Pictures of one size as [batch, height, width, 3] with samples from -1 to 1: x / 127.5 - 1.
  public static func tensor(of pictures: [Picture]) -> Tensor {
    let (height, width) = (pictures[0].height, pictures[0].width)
    return Tensor(
      pictures.flatMap { $0.colored().samples.map { Float($0) / 127.5 - 1 } },
      [pictures.count, height, width, 3])
  }

  /// What the network makes of pictures [batch, height, width, 3] with samples from -1 to 1.
  ///
  /// - Throws: `PictureTooSmall`.
  public func features(of pictures: Tensor) throws -> Features {
    let (height, width) = (pictures.shape[1], pictures.shape[2])
    precondition(pictures.width == 3, "LPIPS of \(pictures.shape)")
    guard min(height, width) >= smallestSide else {
      throw PictureTooSmall(height: height, width: width, needed: smallestSide)
    }
    var x = pictures
    x.withMutableElements { x in
      for place in x.indices { x[place] = (x[place] - Self.shift[place % 3]) / Self.scale[place % 3] }
    }
    return Features(
      maps: stages.map { stage in
        if let pooling = stage.pooling { x = pooling(x) }
        for convolution in stage.convolutions {
          x = convolution(x)
          x.apply(.relu)
        }
        return x
      })
  }

  /// The distance of each picture of one batch to that at the same place of another of equal size.
  public func distances(_ a: Features, _ b: Features) -> [Double] {
    precondition(a.maps.map(\.shape) == b.maps.map(\.shape), "pictures of different sizes")
    return (0..<a.count).map { picture in
      zip(zip(a.maps, b.maps), heads).reduce(0) { sum, layer in
        let ((a, b), head) = layer
        let (pixels, channels) = (a.rows / a.shape[0], a.width)
        let start = picture * pixels * channels
        let total = a.withElements { a in
          b.withElements { b in
            head.withElements {
              kernel_unit_distance(
                a.baseAddress! + start, b.baseAddress! + start, $0.baseAddress!, Self.epsilon, pixels,
                channels)
            }
          }
        }
        return sum + total / Double(pixels)
      }
    }
  }

  /// The distances of pictures [batch, height, width, 3] with samples from -1 to 1, pair by pair.
  ///
  /// - Throws: `PictureTooSmall`.
  public func callAsFunction(_ a: Tensor, _ b: Tensor) throws -> [Double] {
    distances(try features(of: a), try features(of: b))
  }
}

/// A folder without the weights of LPIPS.
public struct LPIPSMissing: UserError {
  let folder: String
  let network: LPIPS.Network
  /// The file and the script that makes it.
  public var description: String {
    "'\(folder)' has no '\(network.rawValue).safetensors', the weights of LPIPS; make it with: "
      + "python Scripts/export_lpips.py '\(folder)' --net \(network.rawValue)"
  }
}

/// A picture that LPIPS cannot compare.
public struct PictureTooSmall: UserError {
  let height: Int
  let width: Int
  let needed: Int
  /// The size found and needed.
  public var description: String {
    "a picture of \(height) × \(width) pixels is too small for this LPIPS, which needs \(needed) on each side; "
      + "enlarge it or leave LPIPS out"
  }
}
