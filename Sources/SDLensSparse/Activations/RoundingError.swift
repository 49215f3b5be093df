import SDLensCore

/// What the number format of a store costs: how far vectors h are from what is read back, h': `‖h − h'‖ ∕ ‖h‖`.
public struct RoundingError: Codable, Equatable, Sendable {
  /// How many vectors there were.
  public private(set) var vectors: Int
  /// Of their errors; that of a vector of zeros is 0.
  public private(set) var rootMeanSquare: Double
  /// Of their errors.
  public private(set) var largest: Double

  private enum CodingKeys: String, CodingKey {
    case vectors, rootMeanSquare = "root_mean_square", largest
  }

  /// Measures vectors [..., width] as they are to stand in a file.
  ///
  /// - Parameter scales: what each is multiplied by.
  init(of vectors: Tensor, as item: Safetensors.Item, scales: [Float]?) throws {
    let (count, width, type) = (vectors.count / vectors.width, vectors.width, item.type)
    var squares = Tensor(uninitialized: [count])
    try item.withBytes { bytes in
      let bytes = bytes.baseAddress!
      squares.updateRows(ofWidth: 1, reading: vectors, grain: 64) { y, x, rows in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { read in
          for (place, row) in rows.enumerated() {
            type.convert(bytes + row * width * type.size, width, to: read.baseAddress!)
            let scale = Double(scales?[row] ?? 1)
            var (error, square) = (0.0, 0.0)
            for c in 0..<width {
              let value = Double(x[place * width + c])
              let difference = value - Double(read[c]) * scale
              error += difference * difference
              square += value * value
            }
            y[place] = square > 0 ? Float(error / square) : 0
          }
        }
      }
    }
    self.vectors = count
    rootMeanSquare = ((0..<count).reduce(0.0) { $0 + Double(squares[$1]) } / Double(max(1, count)))
      .squareRoot()
    largest = Double((0..<count).reduce(0) { max($0, squares[$1]) }).squareRoot()
  }

  /// Whether a shard can have it: sums over all shards of a store do not overflow.
  var isPossible: Bool {
    0...1 << 38 ~= vectors && [rootMeanSquare, largest].allSatisfy { $0 >= 0 && $0.isFinite }
  }

  /// Takes in other vectors.
  public mutating func add(_ other: RoundingError) {
    func sum(_ error: RoundingError) -> Double {
      error.rootMeanSquare * error.rootMeanSquare * Double(error.vectors)
    }
    let squares = sum(self) + sum(other)
    vectors += other.vectors
    rootMeanSquare = (squares / Double(max(1, vectors))).squareRoot()
    largest = max(largest, other.largest)
  }
}

extension [String: RoundingError] {
  /// Takes in other vectors of the same blocks.
  public mutating func add(_ others: Self) {
    merge(others) { mine, other in
      var sum = mine
      sum.add(other)
      return sum
    }
  }

  /// What rounding cost, in words; nil where nothing was rounded.
  public func note(_ manifest: ActivationManifest) -> String? {
    func percent(_ share: Double) -> String { "\(Units.rounded(share * 100)) %" }
    let blocks = manifest.blocks.compactMap { block in
      self[block.name].map {
        "\(block.name) \(percent($0.rootMeanSquare)) (at most \(percent($0.largest)))"
      }
    }
    guard !blocks.isEmpty else { return nil }
    return "As \(manifest.dtype.rawValue), vectors differ from those computed by (root mean square): "
      + blocks.joined(separator: ", ")
  }
}
