import SDLensCore
import SDLensTestSupport

/// The goldens of this target.
enum StudyGoldens {
  static var pictures: Safetensors {
    get throws { try Goldens(beside: folderFile).tensors("pictures.safetensors") }
  }

  /// A path beside the folder of goldens, one up from this file.
  private static let folderFile = #filePath.replacing("/Pictures/", with: "/")
}

extension Safetensors {
  /// A picture [height, width, 3] of samples 0…255.
  func picture(_ name: String) throws -> Picture {
    let tensor = try tensor(name)
    return Picture(
      width: tensor.shape[1], height: tensor.shape[0], samples: tensor.elements.map { UInt8($0) })
  }
}

extension Picture {
  /// One colour throughout.
  init(_ color: SIMD3<UInt8>, width: Int, height: Int) {
    let pixel = [color.x, color.y, color.z]
    self.init(width: width, height: height, samples: (0..<width * height).flatMap { _ in pixel })
  }

  /// The colour of a pixel.
  func pixel(_ x: Int, _ y: Int) -> [UInt8] {
    let at = (y * width + x) * channels
    return Array(samples[at..<at + channels])
  }

  /// The largest difference of a sample.
  func distance(to other: Picture) -> Int {
    guard width == other.width, height == other.height, channels == other.channels else { return .max }
    return zip(samples, other.samples).map { abs(Int($0) - Int($1)) }.max() ?? 0
  }
}
