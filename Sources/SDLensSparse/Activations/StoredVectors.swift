import SDLensCore

/// The vectors of a block in a shard, where they lie: numbers, and beside those of 8 bits what each vector is multiplied by.
struct StoredVectors {
  private let numbers: StoredTensor
  private let scales: StoredTensor?
  private let width: Int

  /// Those of a shard whose header was checked.
  init(_ file: Safetensors, _ block: ActivationManifest.Block, _ format: ActivationManifest.Format) throws {
    width = block.width
    numbers = try file.stored(block.name)
    scales = format.isScaled ? try file.stored("\(block.name).scale") : nil
  }

  /// Writes some vectors as float32.
  func copy(_ rows: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    numbers.copy(rows.lowerBound * width..<rows.upperBound * width, to: target)
    guard let scales else { return }
    var scale: Float = 1
    for (place, row) in rows.enumerated() {
      scales.copy(row..<row + 1, to: &scale)
      for index in place * width..<(place + 1) * width { target[index] *= scale }
    }
  }

  /// Asks the system to read some vectors soon.
  func prefetch(_ rows: Range<Int>) {
    numbers.prefetch(rows.lowerBound * width..<rows.upperBound * width)
  }
}
