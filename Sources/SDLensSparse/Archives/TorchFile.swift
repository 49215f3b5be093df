import SDLensCore

/// A file of `torch.save`: a zip with a pickle that names and shapes tensors and a member for each storage.
///
/// Only the zip layout (PyTorch 1.6 and later) in little-endian order is read.
package struct TorchFile {
  /// The path, for messages.
  let path: String
  private let pickle: Pickle.Tree
  private let storages: [String: [UInt8]]

  /// Reads a whole file.
  ///
  /// - Throws: `FileError`, `ArchiveError`, or `TorchFileError` when it is no such file or asks for more than
  ///   tensors.
  package init(contentsOf path: String) throws {
    self = try MappedFile(path: path).withBytes { try TorchFile($0, path: path) }
  }

  /// Reads a file in memory; `path` is for messages.
  package init(_ bytes: UnsafeRawBufferPointer, path: String) throws {
    guard bytes.starts(with: "PK".utf8) else {
      throw TorchFileError(
        path: path,
        reason: bytes.starts(with: Self.oldMagic)
          ? "it is in the layout before PyTorch 1.6; load and save it again with a newer PyTorch"
          : "it does not begin as a zip file does; check the path")
    }
    let members = try Self.members(of: bytes, path)
    guard let bytes = members["data.pkl"] else {
      throw TorchFileError(path: path, reason: "it has no data.pkl; save it with torch.save")
    }
    if let order = members["byteorder"], order != Array("little".utf8) {
      throw TorchFileError(
        path: path, reason: "its byte order is not little-endian; save it on another machine")
    }
    do {
      pickle = try PickleReader.tree(of: bytes)
    } catch let problem as Pickle.Problem {
      throw TorchFileError(path: path, reason: problem.reason)
    }
    self.path = path
    storages = members
  }

  /// What was saved.
  package var root: Pickle { pickle.root }

  /// The elements of a tensor as float32, each one exactly or, of 64 bits, to the nearest.
  package func tensor(_ tensor: TorchTensor, name: String) throws -> Tensor {
    guard let result = tensor.tensor(try bytes(of: tensor.storage, name)) else {
      throw wrongType(tensor, name, "FloatStorage, HalfStorage, BFloat16Storage or DoubleStorage")
    }
    return result
  }

  /// The elements of a tensor of whole numbers.
  package func integers(_ tensor: TorchTensor, name: String) throws -> [Int64] {
    guard let result = tensor.integers(try bytes(of: tensor.storage, name)) else {
      throw wrongType(tensor, name, "LongStorage or IntStorage")
    }
    return result
  }

  /// The entries of the dictionary that was saved, or of the one under `key` in it.
  package func dictionary(_ key: String? = nil) throws -> [String: Pickle] {
    guard let dictionary = root.dictionary else {
      throw TorchFileError(path: path, reason: "it holds \(root.kind), but a dictionary of tensors is needed")
    }
    guard let key else { return dictionary.values }
    guard let inner = dictionary.values[key]?.dictionary else {
      throw TorchFileError(path: path, reason: "it has no dictionary '\(key)'")
    }
    return inner.values
  }

  private func bytes(of storage: TorchStorage, _ name: String) throws -> [UInt8] {
    guard let bytes = storages["data/" + storage.key] else {
      throw TorchFileError(path: path, reason: "the numbers of '\(name)' are not in it; download it again")
    }
    guard bytes.count == storage.count * storage.element.size else {
      throw TorchFileError(
        path: path,
        reason:
          "'\(name)' needs \(storage.count * storage.element.size) bytes, but \(bytes.count) are there; "
          + "download it again")
    }
    return bytes
  }

  private func wrongType(_ tensor: TorchTensor, _ name: String, _ needed: String) -> TorchFileError {
    TorchFileError(
      path: path,
      reason: "'\(name)' is in a \(tensor.storage.element.rawValue), but \(needed) is needed; convert it")
  }

  /// The members below the one folder that a torch file has, without its name.
  private static func members(of bytes: UnsafeRawBufferPointer, _ path: String) throws -> [String: [UInt8]] {
    let archive = try Archive(zip: bytes, path: path)
    var members: [String: [UInt8]] = [:]
    var folder: Substring?
    while let member = try archive.next() {
      guard let slash = member.name.firstIndex(of: "/") else {
        throw TorchFileError(path: path, reason: "'\(member.name)' is in no folder; save it with torch.save")
      }
      let name = String(member.name[slash...].dropFirst())
      guard folder ?? member.name[..<slash] == member.name[..<slash], members[name] == nil else {
        throw TorchFileError(path: path, reason: "'\(name)' is in it twice; download it again")
      }
      folder = member.name[..<slash]
      members[name] = try archive.read(member)
    }
    return members
  }

  /// The pickled number with which `torch.save` began before 1.6.
  private static let oldMagic: [UInt8] = [
    0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]
}

/// A file of `torch.save` that is damaged, of another layout, or asks for more than tensors.
struct TorchFileError: UserError {
  let path: String
  let reason: String
  var description: String { "'\(path)' is not a torch file that can be read: \(reason)" }
}
