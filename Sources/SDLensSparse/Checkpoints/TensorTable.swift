import CKernels
import SDLensCore

/// The tensors of a checkpoint, taken by name and shape; what nobody takes is an error.
///
/// Every value is checked to be finite; half precision becomes float32 exactly, float64 is rounded, which `notes`
/// tells.
struct TensorTable {
  private enum Source {
    case safetensors(Safetensors)
    case torch(TorchFile, TorchWeights)
  }

  let path: String
  private let source: Source
  private var left: Set<String>
  private var rounded: [String] = []

  /// A safetensors file.
  init(safetensors path: String) throws {
    let file = try Safetensors(contentsOf: path)
    (self.path, source, left) = (path, .safetensors(file), Set(file.names))
  }

  /// The weights in a torch file: the dictionary with all the tensors needed, wherever it is in the file.
  init(torch path: String, needing names: [String]) throws {
    let file = try TorchFile(contentsOf: path)
    let weights = try TorchWeights(in: file, needing: names)
    (self.path, source, left) = (path, .torch(file, weights), Set(weights.parts))
  }

  func contains(_ name: String) -> Bool { left.contains(name) }

  /// What was changed on the way, in words for the reader.
  var notes: [String] {
    rounded.isEmpty
      ? []
      : ["'\(path)' has float64 in \(rounded.map { "'\($0)'" }.joined(separator: ", ")), \(Self.rounding)"]
  }
  static let rounding = "rounded to float32"

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
      let isDouble = file.entry(name)?.type == .f64
      if isDouble { rounded.append(name) }
      let tensor = try file.tensor(name)
        .finite(name: name, path: path, after: isDouble ? Self.rounding : nil)
      return transposed ? tensor.matrixTransposed() : tensor
    case .torch(let file, let weights):
      let tensor = try weights.tensor(name)
      if tensor.isDouble { rounded.append(name) }
      return try file.tensor(transposed ? tensor.transposed : tensor, name: name)
        .finite(name: name, path: path, after: tensor.isDouble ? Self.rounding : nil)
    }
  }

  /// The shape of a tensor.
  func shape(_ name: String) throws -> Shape {
    let found: Shape? =
      switch source {
      case .safetensors(let file): file.entry(name)?.shape
      case .torch(_, let weights): left.contains(name) ? try weights.tensor(name).shape : nil
      }
    guard let found else {
      throw MalformedFile(path: path, reason: "has no '\(name)'; download it or save it again")
    }
    return found
  }

  /// Whole numbers.
  mutating func integers(_ name: String, _ shape: Shape) throws -> [Int64] {
    try take(name, shape)
    return switch source {
    case .safetensors(let file): try file.integers(name)
    case .torch(let file, let weights): try file.integers(try weights.tensor(name), name: name)
    }
  }

  /// Checks that every tensor was taken: one that is left would be a part of the computation that is not built.
  ///
  /// Of a torch file, numbers beside the tensors may say again what the configuration says.
  func finish(_ config: ConfigFile? = nil) throws {
    var left = left
    if case .torch(_, let weights) = source, let config {
      left = left.filter { name in weights.number(name).map { config[name] != .int($0) } ?? true }
    }
    guard left.isEmpty else {
      throw MalformedFile(
        path: path,
        reason: "holds what a dictionary of this kind does not have in this format: "
          + left.sorted().prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (left.count > 5 ? ", …" : ""))
    }
  }

  private mutating func take(_ name: String, _ needed: Shape) throws {
    let found = try shape(name)
    guard found == needed else {
      throw MalformedFile(
        path: path,
        reason:
          "holds '\(name)' of shape \(found), but \(needed) is needed; check that the configuration beside "
          + "it belongs to it")
    }
    left.remove(name)
  }
}

extension Tensor {
  /// The tensor itself, when all its values are finite; `change` says what was done to those of the file.
  func finite(name: String, path: String, after change: String? = nil) throws -> Tensor {
    guard let position = firstNotFinite else { return self }
    throw MalformedFile(
      path: path,
      reason: "holds \(self[position]) in '\(name)' at position \(position)"
        + (change.map { ", " + $0 } ?? "") + ", but all values must be finite; "
        + "download it or save it again")
  }

  /// The position of the first element that is no finite number.
  var firstNotFinite: Int? {
    withElements { x in
      x.isEmpty || kernel_all_finite_float(x.baseAddress!, x.count) ? nil : x.firstIndex { !$0.isFinite }
    }
  }

  /// [rows, columns] → [columns, rows].
  func matrixTransposed() -> Tensor {
    reshaped([1, shape[0], 1, shape[1]]).channelsFirst().reshaped([shape[1], shape[0]])
  }
}
