import SDLensCore
import SDLensSparse

/// Vectors or codes that somebody hands in, as a safetensors file.
struct CodeFile {
  private let path: String
  private let file: Safetensors

  init(path: String) throws {
    self.path = path
    file = try Safetensors(contentsOf: path)
  }

  /// The vectors [N, width] of a tensor, or of the only one.
  ///
  /// Of the tensors that `generate --tensors --cache` writes, [1, width, height, width of the map], the vectors are those
  /// of the positions, row by row; `BLOCK.update.STEP` is what the block adds, its output less its input.
  ///
  /// - Parameter block: whose update is meant when no name is given and the file is one of a run.
  func rows(_ name: String?, width: Int, block: String?) throws -> Tensor {
    let updates = file.names.compactMap { name in
      name.contains(".output.") && file.names.contains(Self.input(of: name)) ? Self.update(of: name) : nil
    }
    let usual = block.map { "\($0).update.0" }
    guard
      let name = name ?? usual.flatMap({ updates.contains($0) ? $0 : nil })
        ?? (file.names.count == 1 ? file.names[0] : nil)
    else {
      let names = file.names + updates
      throw BadCodes(
        "'\(path)' holds \(file.names.count) tensors; choose one with --tensor: "
          + names.prefix(12).joined(separator: ", ") + (names.count > 12 ? ", …" : ""))
    }
    var rows: Tensor
    if updates.contains(name), !file.names.contains(name) {
      let output = name.replacingOccurrences(of: ".update.", with: ".output.")
      rows = try file.tensor(output)
      let input = try file.tensor(Self.input(of: output))
      guard input.shape == rows.shape else {
        throw BadCodes("'\(output)' and its input in '\(path)' have shapes \(rows.shape) and \(input.shape)")
      }
      rows = rows - input
    } else {
      rows = try file.tensor(name)
    }
    if rows.shape.rank == 4, rows.shape[1] == width {
      rows = rows.channelsLast()
      rows = rows.reshaped([rows.rows, width])
    }
    guard rows.shape.rank == 2, rows.shape[1] == width, rows.shape[0] > 0 else {
      throw BadCodes(
        "'\(name)' in '\(path)' has shape \(rows.shape), but [N, \(width)] is needed, as wide as the dictionary"
      )
    }
    try checkFinite(rows, name)
    return rows
  }

  private static func input(of output: String) -> String {
    output.replacingOccurrences(of: ".output.", with: ".input.")
  }

  private static func update(of output: String) -> String {
    output.replacingOccurrences(of: ".output.", with: ".update.")
  }

  /// The codes under `indices` and `values`.
  func codes(for autoencoder: SparseAutoencoder) throws -> Codes {
    let (indices, values) = (try file.integers("indices"), try file.tensor("values"))
    let shape = values.shape
    guard shape.rank == 2, shape.count > 0, file.entry("indices")?.shape == shape else {
      throw BadCodes(
        "'indices' and 'values' in '\(path)' have shapes \(file.entry("indices")?.shape ?? []) and \(shape), but "
          + "[N, k] twice is needed")
    }
    if let position = indices.firstIndex(where: { !(0..<Int64(autoencoder.features) ~= $0) }) {
      throw BadCodes(
        "'indices' in '\(path)' holds \(indices[position]) in row \(position / shape[1]), but the dictionary has "
          + "features 0 to \(autoencoder.features - 1)")
    }
    try checkFinite(values, "values")
    if let position = (0..<values.count).first(where: { values[$0] < 0 }) {
      throw BadCodes(
        "'values' in '\(path)' holds \(values[position]) in row \(position / shape[1]), but activations are never "
          + "negative")
    }
    return Codes(
      rows: shape[0], slots: shape[1], indices: indices.map { Int32($0) }, values: values.elements)
  }

  private func checkFinite(_ tensor: Tensor, _ name: String) throws {
    guard let position = (0..<tensor.count).first(where: { !tensor[$0].isFinite }) else { return }
    throw BadCodes(
      "'\(name)' in '\(path)' holds \(tensor[position]) in row \(position / tensor.width), but all values must be "
        + "finite")
  }
}

/// Vectors or codes that do not fit the dictionary.
struct BadCodes: UserError {
  let description: String
  init(_ description: String) { self.description = description }
}
