import SDLensCore

/// How a picture becomes the input of a CLIP image encoder, from `preprocessor_config.json`
/// (transformers: CLIPImageProcessor on PIL).
///
/// To red, green and blue, what is transparent over white; resized; cut to the middle, with black where it is too small; samples times
/// `rescale_factor`, minus `image_mean`, over `image_std`.
package struct PicturePreprocessing: Sendable {
  private enum Size {
    case shortestEdge(Int)
    case exactly(height: Int, width: Int)
  }

  private let size: Size?
  private let resampling: Resampling
  private let crop: (height: Int, width: Int)?
  /// What each of the 256 samples becomes, for each channel.
  private let values: [[Float]]

  private enum Kind: String, CaseIterable {
    case processor = "CLIPImageProcessor"
    case fast = "CLIPImageProcessorFast"
    case pil = "CLIPImageProcessorPil"
    case extractor = "CLIPFeatureExtractor"
  }

  /// Reads the settings; what is absent is as in CLIP.
  ///
  /// - Throws: the errors of `ConfigFile`.
  package init(_ file: ConfigFile) throws {
    for key in ["image_processor_type", "feature_extractor_type"] {
      _ = try file.choice(key, default: Kind.processor)
    }
    try file.require("do_pad", false)
    size = try file.bool("do_resize", default: true) ? Self.size(file) : nil
    let supported = Resampling.allCases.map { JSONValue.int($0.rawValue) }
    guard case .int(let number) = file["resample"] ?? 3, let resampling = Resampling(rawValue: number) else {
      throw UnsupportedConfigValue(
        path: file.path, key: file.label("resample"), found: file["resample"] ?? .null, supported: supported)
    }
    self.resampling = resampling
    crop = try file.bool("do_center_crop", default: true) ? Self.cropSize(file) : nil

    let factor =
      try file.bool("do_rescale", default: true) ? file.double("rescale_factor", default: 1.0 / 255) : 1
    let samples = (0..<256).map { Float(Double($0) * factor) }
    guard try file.bool("do_normalize", default: true) else {
      values = [samples, samples, samples]
      return
    }
    let mean = try Self.channels(file, "image_mean", default: [0.48145466, 0.4578275, 0.40821073])
    let deviation = try Self.channels(file, "image_std", default: [0.26862954, 0.26130258, 0.27577711])
    guard deviation.allSatisfy({ $0 > 0 }) else {
      throw BadConfigValue(
        path: file.path, key: file.label("image_std"), found: file["image_std"],
        needed: "three numbers above 0")
    }
    values = (0..<3).map { channel in samples.map { ($0 - mean[channel]) / deviation[channel] } }
  }

  /// `size`: `shortest_edge`, or `height` and `width`, or a number for one or the other.
  private static func size(_ file: ConfigFile) throws -> Size {
    guard case .object? = file["size"], let section = try file.section("size") else {
      let size = try file.int("size", in: extents, default: 224)
      let isSquare = try file["size"] != nil && file.bool("default_to_square", default: false)
      return isSquare ? .exactly(height: size, width: size) : .shortestEdge(size)
    }
    guard section["shortest_edge"] == nil else {
      // A longest edge would limit the other one.
      try section.require("longest_edge", .null, default: .null)
      return .shortestEdge(try section.int("shortest_edge", in: extents))
    }
    return .exactly(
      height: try section.int("height", in: extents), width: try section.int("width", in: extents))
  }

  /// `crop_size`: a number, or `height` and `width`.
  private static func cropSize(_ file: ConfigFile) throws -> (height: Int, width: Int) {
    guard case .object? = file["crop_size"], let section = try file.section("crop_size") else {
      let side = try file.int("crop_size", in: extents, default: 224)
      return (side, side)
    }
    return (try section.int("height", in: extents), try section.int("width", in: extents))
  }

  /// Three numbers, one for each channel; one number stands for three.
  private static func channels(_ file: ConfigFile, _ key: String, default whenAbsent: [Double]) throws
    -> [Float]
  {
    func number(_ value: JSONValue) -> Float? {
      switch value {
      case .int(let int): Float(int)
      case .double(let double): Float(double)
      default: nil
      }
    }
    switch file[key] {
    case nil: return whenAbsent.map { Float($0) }
    case .array(let values) where values.count == 3 && values.allSatisfy({ number($0) != nil }):
      return values.compactMap(number)
    case let value?:
      guard let number = number(value) else {
        throw BadConfigValue(
          path: file.path, key: file.label(key), found: value, needed: "a number or three of them")
      }
      return [number, number, number]
    }
  }

  /// Sides of pictures in pixels.
  private static let extents = 1...1 << 13

  /// The sides of what a picture becomes when they do not depend on the picture.
  package var output: (height: Int, width: Int)? {
    if let crop { return crop }
    if case .exactly(let height, let width)? = size { return (height, width) }
    return nil
  }

  /// The picture resized and cut, still of 8 bits.
  package func callAsFunction(_ picture: Picture) -> Picture {
    cropped(resized(picture.colored()))
  }

  private func resized(_ picture: Picture) -> Picture {
    switch size {
    case nil: return picture
    case .exactly(let height, let width): return resampling(picture, width: width, height: height)
    case .shortestEdge(let edge):
      let (short, long) = (min(picture.width, picture.height), max(picture.width, picture.height))
      let other = Int(Double(edge * long) / Double(short))
      return picture.width <= picture.height
        ? resampling(picture, width: edge, height: other) : resampling(picture, width: other, height: edge)
    }
  }

  private func cropped(_ picture: Picture) -> Picture {
    guard let crop, crop != (picture.height, picture.width) else { return picture }
    // Half of what is too much, or of what lacks, the odd pixel in front.
    let top = Int((Double(picture.height - crop.height) / 2).rounded(.down))
    let left = Int((Double(picture.width - crop.width) / 2).rounded(.down))
    var samples = [UInt8](repeating: 0, count: crop.height * crop.width * 3)
    let (from, to) = (max(0, left), min(picture.width, left + crop.width))
    for row in max(0, -top)..<min(crop.height, picture.height - top) {
      let source = ((row + top) * picture.width + from) * 3
      let target = (row * crop.width + from - left) * 3
      samples.replaceSubrange(
        target..<target + (to - from) * 3, with: picture.samples[source..<source + (to - from) * 3])
    }
    return Picture(width: crop.width, height: crop.height, samples: samples)
  }

  /// Pictures of one size as [batch, height, width, 3].
  package func tensor(of pictures: [Picture]) -> Tensor {
    let size = pictures[0].samples.count
    var result = Tensor(uninitialized: [pictures.count, pictures[0].height, pictures[0].width, 3])
    result.withMutableElements { y in
      for (index, picture) in pictures.enumerated() {
        for (place, sample) in picture.samples.enumerated() {
          y[index * size + place] = values[place % 3][Int(sample)]
        }
      }
    }
    return result
  }
}
