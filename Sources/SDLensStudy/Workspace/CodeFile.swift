import SDLensCore
import SDLensSparse

/// Vectors or codes that somebody hands in, as a safetensors file.
public struct CodeFile {
  private let path: String
  private let file: Safetensors

  /// Opens a file.
  ///
  /// - Throws: as `Safetensors`.
  public init(path: String) throws {
    self.path = path
    file = try Safetensors(contentsOf: path)
  }

  /// The vectors [N, width] of a tensor, or of the only one.
  ///
  /// Of the tensors that `generate --tensors --cache` writes, [1, width, height, width of the map], the vectors are those
  /// of the positions, row by row; `BLOCK.update.STEP` is what the block adds, its output less its input.
  ///
  /// - Parameter block: whose update is meant when no name is given and the file is one of a run.
  public func rows(_ name: String?, width: Int, block: String?) throws -> Tensor {
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
    return try Self.checked(rows, "'\(name)' in '\(path)'", width: width)
  }

  /// Refuses what are no vectors of that width, or not finite.
  static func checked(_ rows: Tensor, _ title: String, width: Int) throws -> Tensor {
    guard rows.shape.rank == 2, rows.shape[1] == width, rows.shape[0] > 0 else {
      throw BadCodes(
        "\(title) has shape \(rows.shape), but [N, \(width)] is needed, as wide as the dictionary")
    }
    if let position = (0..<rows.count).first(where: { !rows[$0].isFinite }) {
      throw BadCodes(
        "\(title) holds \(rows[position]) in row \(position / width), but all values must be finite")
    }
    return rows
  }

  private static func input(of output: String) -> String {
    output.replacingOccurrences(of: ".output.", with: ".input.")
  }

  private static func update(of output: String) -> String {
    output.replacingOccurrences(of: ".output.", with: ".update.")
  }

  /// The codes under `indices` and `values`; [N, k] both, or with `starts` [N + 1] one entry after the other.
  public func codes(for autoencoder: SparseAutoencoder) throws -> Codes {
    let (indices, values) = (try file.integers("indices"), try file.tensor("values"))
    let shape = values.shape
    let starts = file.names.contains("starts") ? try file.integers("starts").map(Int.init) : nil
    guard shape.rank == (starts == nil ? 2 : 1), shape.count > 0 || starts != nil,
      file.entry("indices")?.shape == shape
    else {
      throw BadCodes(
        "'indices' and 'values' in '\(path)' have shapes \(file.entry("indices")?.shape ?? []) and \(shape), but "
          + (starts == nil
            ? "[N, k] twice is needed" : "beside 'starts' the same number of entries is needed"))
    }
    if let starts {
      guard starts.first == 0, starts.last == values.count, zip(starts, starts.dropFirst()).allSatisfy(<=)
      else {
        throw BadCodes(
          "'starts' in '\(path)' must grow from 0 to the number of entries, \(values.count); write it again with: "
            + "sdlens encode")
      }
    }
    func row(_ position: Int) -> Int {
      starts.map { $0.lastIndex { $0 <= position }! } ?? position / shape[1]
    }
    if let position = indices.firstIndex(where: { !(0..<Int64(autoencoder.features) ~= $0) }) {
      throw BadCodes(
        "'indices' in '\(path)' holds \(indices[position]) in row \(row(position)), but the dictionary has "
          + "features 0 to \(autoencoder.features - 1)")
    }
    if let position = (0..<values.count).first(where: { !values[$0].isFinite }) {
      throw BadCodes(
        "'values' in '\(path)' holds \(values[position]) in row \(row(position)), but all values must be finite"
      )
    }
    if let position = (0..<values.count).first(where: { values[$0] < 0 }) {
      throw BadCodes(
        "'values' in '\(path)' holds \(values[position]) in row \(row(position)), but activations are never "
          + "negative")
    }
    let features = indices.map { Int32($0) }
    guard let starts else {
      return Codes(rows: shape[0], slots: shape[1], indices: features, values: values.elements)
    }
    return Codes(starts: starts, indices: features, values: values.elements)
  }

  /// Writes codes: of TopK [N, k], else as entries one after the other with the `starts` of the rows.
  public static func write(_ codes: Codes, slots: Int?, to path: String) throws {
    if let slots {
      let (shape, padded): (Shape, _) = ([codes.rows, slots], codes.padded(to: slots))
      return try Safetensors.write(
        [.init("indices", padded.indices, shape), .init("values", Tensor(padded.values, shape))], to: path)
    }
    try Safetensors.write(
      [
        .init("indices", codes.indices, [codes.count]),
        .init("starts", codes.starts.map(Int64.init), [codes.rows + 1]),
        .init("values", Tensor(codes.values, [codes.count])),
      ], to: path)
  }
}

/// Vectors or codes that do not fit the dictionary.
public struct BadCodes: UserError {
  /// What does not fit, and what is needed.
  public let description: String
  init(_ description: String) { self.description = description }
}
