import CKernels
import SDLensCore

/// The tensors of a checkpoint, taken by name and shape; what nobody takes is an error.
///
/// Every value is checked to be finite; half precision becomes float32 exactly.
struct TensorTable {
  private enum Source {
    case safetensors(Safetensors)
    case torch(TorchFile, [String: Pickle])
  }

  let path: String
  private let source: Source
  private var left: Set<String>

  /// A safetensors file.
  init(safetensors path: String) throws {
    let file = try Safetensors(contentsOf: path)
    (self.path, source, left) = (path, .safetensors(file), Set(file.names))
  }

  /// A torch file with a dictionary, or with one under `key` in a dictionary.
  init(torch path: String, under key: String? = nil) throws {
    let file = try TorchFile(contentsOf: path)
    let values = try file.dictionary(key)
    (self.path, source, left) = (path, .torch(file, values), Set(values.keys))
  }

  func contains(_ name: String) -> Bool { left.contains(name) }

  /// The texts beside the tensors of a safetensors file.
  var metadata: [String: String] {
    if case .safetensors(let file) = source { file.metadata } else { [:] }
  }

  /// A float32 tensor; with `transposed`, `shape` is that of the result, and the file has it the other way.
  mutating func floats(_ name: String, _ shape: Shape, transposed: Bool = false) throws -> Tensor {
    let stored = transposed ? Shape(shape.extents.reversed()) : shape
    try take(name, stored)
    switch source {
    case .safetensors(let file):
      let tensor = try file.tensor(name).finite(name: name, path: path)
      return transposed ? tensor.matrixTransposed() : tensor
    case .torch(let file, let values):
      let tensor = try torchTensor(name, values)
      return try file.tensor(transposed ? tensor.transposed : tensor, name: name)
        .finite(name: name, path: path)
    }
  }

  /// Whole numbers.
  mutating func integers(_ name: String, _ shape: Shape) throws -> [Int64] {
    try take(name, shape)
    return switch source {
    case .safetensors(let file): try file.integers(name)
    case .torch(let file, let values): try file.integers(try torchTensor(name, values), name: name)
    }
  }

  /// Checks that every tensor was taken: one that is left would be a part of the computation that is not built.
  func finish() throws {
    guard left.isEmpty else {
      throw MalformedFile(
        path: path,
        reason: "holds what a TopK dictionary of this format does not have: "
          + left.sorted().prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (left.count > 5 ? ", …" : ""))
    }
  }

  private mutating func take(_ name: String, _ needed: Shape) throws {
    let found: Shape? =
      switch source {
      case .safetensors(let file): file.entry(name)?.shape
      case .torch(_, let values): values[name] == nil ? nil : try torchTensor(name, values).shape
      }
    guard let found else {
      throw MalformedFile(path: path, reason: "has no '\(name)'; download it or save it again")
    }
    guard found == needed else {
      throw MalformedFile(
        path: path,
        reason:
          "holds '\(name)' of shape \(found), but \(needed) is needed; check that the configuration beside "
          + "it belongs to it")
    }
    left.remove(name)
  }

  private func torchTensor(_ name: String, _ values: [String: Pickle]) throws -> TorchTensor {
    guard case .tensor(let tensor)? = values[name] else {
      throw MalformedFile(
        path: path, reason: "holds '\(name)' as \(values[name]?.kind ?? "nothing"), but a tensor is needed")
    }
    return tensor
  }
}

extension Tensor {
  /// The tensor itself, when all its values are finite.
  func finite(name: String, path: String) throws -> Tensor {
    let isFinite = withElements { $0.isEmpty || kernel_all_finite_float($0.baseAddress!, $0.count) }
    guard !isFinite, let position = (0..<count).first(where: { !self[$0].isFinite }) else { return self }
    throw MalformedFile(
      path: path,
      reason: "holds \(self[position]) in '\(name)' at position \(position), but all values must be finite; "
        + "download it or save it again")
  }

  /// [rows, columns] → [columns, rows].
  func matrixTransposed() -> Tensor {
    reshaped([1, shape[0], 1, shape[1]]).channelsFirst().reshaped([shape[1], shape[0]])
  }
}
