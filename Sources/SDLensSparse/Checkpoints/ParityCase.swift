import SDLensCore

/// Some vectors and their codes, kept with a dictionary and compared when it is read, so that a mistake in a layout
/// cannot stay silent.
struct ParityCase: Sendable {
  /// [some, width]
  let vectors: Tensor
  /// Their codes when the dictionary was saved for the first time.
  let codes: Codes

  private static let (most, tries) = (8, 32)
  /// How far a pre-activation must be from being chosen otherwise, and how far an activation may be from what it was,
  /// both of the largest.
  private static let (margin, tolerance): (Float, Float) = (2e-5, 1e-4)

  /// Takes the first few vectors whose features no rounding would choose otherwise: each is one in which a feature is
  /// surely active, with others by chance.
  ///
  /// - Returns: nil where there is none, as in a dictionary of zeros.
  init?(of sae: SparseAutoencoder) {
    var generator = MersenneTwister(seed: 0)
    let (n, d) = (sae.features, sae.width)
    var rows: [Tensor] = []
    for index in 0..<Self.tries where rows.count < Self.most {
      let feature = index * n / Self.tries
      let weights = sae.encoder.rows(feature..<feature + 1).elements
      let square = weights.reduce(0) { $0 + $1 * $1 }
      let bias = sae.latentBias[feature]
      let threshold = sae.parameters.threshold.map { max($0[feature], 0) } ?? 0
      let noise = generator.normal(d)
      // z = height + bias of this feature, and as much again by chance.
      let height = 2 * (abs(bias) + threshold) + 1
      let row = Tensor(
        (0..<d).map {
          sae.preBias[$0] + height * weights[$0] / square + 0.5 * height * noise[$0]
            / (square * Float(d)).squareRoot()
        }, [1, d])
      if row.elements.allSatisfy(\.isFinite), Self.isFirm(sae.preActivations(row).elements, sae.selection) {
        rows.append(row)
      }
    }
    guard !rows.isEmpty else { return nil }
    vectors = Tensor.stacked(rows)
    codes = sae.encode(vectors)
  }

  /// Whether all pre-activations are far from where the selection would change.
  private static func isFirm(_ z: [Float], _ selection: Selection) -> Bool {
    let distance = margin * z.reduce(0) { max($0, abs($1)) }
    switch selection {
    case .topK(let k):
      let order = z.sorted(by: >)
      return k == z.count || order[k] < 0 || order[k - 1] - order[k] > distance
    case .threshold(let thresholds):
      return zip(z, thresholds).allSatisfy { abs($0 - max($1, 0)) > distance }
    }
  }

  /// Compares what a dictionary computes with the codes.
  ///
  /// - Throws: `ParityMisfit`.
  func check(_ sae: SparseAutoencoder, path: String) throws {
    let found = sae.encode(vectors)
    let largest = codes.values.max() ?? 0
    for row in 0..<codes.rows {
      func activations(_ codes: Codes) -> [Int: Float] {
        var result: [Int: Float] = [:]
        codes.rows(row..<row + 1).forEachActive { result[$1] = $2 }
        return result
      }
      let (wanted, now) = (activations(codes), activations(found))
      for feature in Set(wanted.keys).union(now.keys).sorted() {
        let (wanted, now) = (wanted[feature] ?? 0, now[feature] ?? 0)
        guard abs(wanted - now) <= Self.tolerance * largest else {
          throw ParityMisfit(path: path, row: row, feature: feature, found: now, wanted: wanted)
        }
      }
    }
  }
}

extension ParityCase {
  private static let names = ["vectors", "starts", "indices", "values"].map { "parity.\($0)" }

  /// Its tensors in a file.
  var items: [Safetensors.Item] {
    [
      .init(Self.names[0], vectors), .init(Self.names[1], codes.starts.map(Int64.init), [codes.rows + 1]),
      .init(Self.names[2], codes.indices, [codes.count]),
      .init(Self.names[3], Tensor(codes.values, [codes.count])),
    ]
  }

  /// Takes what `items` wrote; nil where there is nothing, as in older files.
  init?(_ tensors: inout TensorTable, features: Int, width: Int) throws {
    guard tensors.contains(Self.names[0]) else { return nil }
    func malformed() -> MalformedFile {
      MalformedFile(
        path: tensors.path, reason: "has a parity case that is none; download it or save it again")
    }
    guard let rows = try tensors.shape(Self.names[0]).extents.first,
      let count = try tensors.shape(Self.names[3]).extents.first
    else { throw malformed() }
    vectors = try tensors.floats(Self.names[0], [rows, width])
    let starts = try tensors.integers(Self.names[1], [rows + 1]).map { Int($0) }
    let indices = try tensors.integers(Self.names[2], [count])
    let values = try tensors.floats(Self.names[3], [count]).elements
    guard starts.first == 0, starts.last == count, zip(starts, starts.dropFirst()).allSatisfy(<=),
      indices.allSatisfy({ 0..<Int64(features) ~= $0 })
    else { throw malformed() }
    codes = Codes(starts: starts, indices: indices.map { Int32($0) }, values: values)
  }
}

/// A dictionary that does not compute what it did.
public struct ParityMisfit: UserError {
  let path: String
  let row: Int
  let feature: Int
  let found: Float
  let wanted: Float

  /// The first feature that differs.
  public var description: String {
    "the dictionary in '\(path)' is not what was saved: in vector \(row) of its parity case feature \(feature) is "
      + "\(found), but it was \(wanted); its files were changed or do not belong together, so take them from where "
      + "they came"
  }
}
