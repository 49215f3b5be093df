import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The work of `encode`: vectors to the features that are active in them, or back.
public struct EncodeJob {
  /// What was encoded or decoded; `active` counts the values that are not 0.
  public struct Result: Encodable {
    let output: String
    let rows, width, features, slots, active: Int
  }

  private let name: String
  private let block: String?
  private var autoencoder: SparseAutoencoder
  private let workspace: Workspace

  /// Reads a dictionary.
  ///
  /// - Parameters:
  ///   - name: a folder, a name in the workspace, or a Hugging Face id in the local cache, in any format.
  ///   - block: where the dictionary does not tell.
  ///   - k: features that may be active in a vector, instead of its own.
  ///   - note: told what reading it passed over.
  /// - Throws: `BadCodes` of a `k` beyond its size, and what is wrong with its files.
  public init(
    by name: String, _ block: BlockName? = nil, k: Int? = nil, in workspace: Workspace, note: (String) -> Void
  ) throws {
    (self.name, self.workspace) = (name, workspace)
    let saved = try SavedAutoencoder.read(workspace.path(ofDictionary: name, block, note: note))
    for text in saved.notes { note(text) }
    autoencoder = saved.autoencoder
    self.block = block?.description ?? saved.block
    guard let k else { return }
    guard k <= autoencoder.features else {
      throw BadCodes(
        "k is \(k), but '\(name)' has only \(autoencoder.features) features; choose a smaller one")
    }
    autoencoder.selection = .topK(k)
  }

  /// Writes the vectors of the codes in a file.
  ///
  /// - Throws: `BadCodes`, `FileError`.
  public func decode(_ input: String, to output: String) throws -> Result {
    let codes = try CodeFile(path: input).codes(for: autoencoder)
    try Safetensors.write([.init("rows", autoencoder.decode(codes))], to: output)
    return result(codes, output)
  }

  /// Writes the codes of a store, picture by picture, or of a tensor in a file, or of an array of NumPy's.
  ///
  /// - Throws: `BadCodes`, `BlockUnknown`, `WidthMismatch`, `FileError`.
  public func encode(_ input: String, tensor: String? = nil, to output: String) throws -> Result {
    let codes = try codes(of: input, tensor)
    try CodeFile.write(codes, slots: autoencoder.k, to: output)
    return result(codes, output)
  }

  private func codes(of input: String, _ tensor: String?) throws -> Codes {
    let folder = workspace.path(ofStore: input)
    guard FileManager.default.fileExists(atPath: "\(folder)/manifest.json") else {
      guard try !NumPyFile.isOne(input) else {
        let file = try VectorFile(input, tensor: tensor)
        return autoencoder.encode(
          try CodeFile.checked(file.rows(0..<file.pictures), "'\(input)'", width: autoencoder.width))
      }
      return autoencoder.encode(
        try CodeFile(path: input).rows(tensor, width: autoencoder.width, block: block))
    }
    guard let block else { throw BlockUnknown(path: name) }
    let activations = try ActivationStore(folder).activations(of: block)
    guard activations.width == autoencoder.width else {
      throw WidthMismatch(block: block, stored: activations.width, dictionary: autoencoder.width)
    }
    return Codes(
      joining: try (0..<activations.pictures).map {
        autoencoder.encode(try activations.rows(ofPicture: $0))
      })
  }

  private func result(_ codes: Codes, _ output: String) -> Result {
    let longest = (0..<codes.rows).reduce(0) { max($0, codes.starts[$1 + 1] - codes.starts[$1]) }
    return Result(
      output: output, rows: codes.rows, width: autoencoder.width, features: autoencoder.features,
      slots: longest, active: codes.count)
  }
}
