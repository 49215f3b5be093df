import Foundation
import SDLensCore
import SDLensTestSupport

/// A copy of the small model, in `model`, to be damaged.
struct ModelCopy {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Command.tinyModel, toPath: folder("model"))
  }

  private func path(_ file: String) -> String { folder("model/" + file) }

  /// Runs `sdlens generate` with it.
  func generate() throws -> Outcome {
    try Command.run(["generate", "--prompt", "a red house", "--model", "model", "--quiet"], in: folder)
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: path(file)) }

  func write(_ text: String, to file: String) throws { try folder.write(text.utf8, to: "model/" + file) }

  /// Changes the bytes of a file.
  func edit(_ file: String, _ change: (inout [UInt8]) throws -> Void) throws {
    var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path(file))))
    try change(&bytes)
    try folder.write(bytes, to: "model/" + file)
  }

  /// Changes a text in a file for another, once.
  func replace(_ old: String, with new: String, in file: String) throws {
    let text = try String(contentsOfFile: path(file), encoding: .utf8)
    guard let range = text.range(of: old) else { throw NotFound(text: old) }
    try write(text.replacingCharacters(in: range, with: new), to: file)
  }

  /// Changes the header of a safetensors file.
  func replaceInHeader(_ old: String, with new: String, of file: String) throws {
    try edit(file) { bytes in
      let end = 8 + bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      let header = String(decoding: bytes[8..<end], as: UTF8.self)
      guard let range = header.range(of: old) else { throw NotFound(text: old) }
      bytes = safetensorsBytes(header.replacingCharacters(in: range, with: new), data: bytes[end...])
    }
  }

  /// Changes the tensors of a safetensors file.
  func editTensors(_ file: String, _ change: (inout [String: Tensor]) -> Void) throws {
    let source = try Safetensors(contentsOf: path(file))
    var tensors = Dictionary(uniqueKeysWithValues: try source.names.map { ($0, try source.tensor($0)) })
    change(&tensors)
    try Safetensors.write(tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, to: path(file))
  }

  struct NotFound: Error { let text: String }
}
