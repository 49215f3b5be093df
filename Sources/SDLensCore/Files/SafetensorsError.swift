/// A safetensors file that is damaged, or a tensor that is not in it or not of the type asked for.
public struct SafetensorsError: UserError {
  let path: String
  let problem: Problem

  enum Problem: Error {
    case tooShort(size: Int)
    case headerTooLong(length: UInt64)
    case headerPastEnd(length: UInt64, size: Int)
    case headerNotText
    case headerNotObject
    case headerMalformed(String)
    case unknownType(name: String, String)
    case badShape(name: String, [Int])
    case badOffsets(name: String, [Int])
    case wrongSize(name: String, type: ElementType, shape: [Int], found: Int, needed: Int)
    case overlap(name: String, start: Int, previousEnd: Int)
    case hole(name: String, start: Int, previousEnd: Int)
    case wrongEnd(dataSize: Int, needed: Int)
    case noTensor(name: String, nearest: String?)
    case wrongType(name: String, found: ElementType, needed: String)
  }

  /// The sentence for the user.
  public var description: String {
    switch problem {
    case .tooShort(let size): damaged("it has \(size) bytes, but the length of the header alone takes 8")
    case .headerTooLong(let length):
      damaged(
        "its header should be \(length) bytes long, but at most \(SafetensorsHeader.longest) are allowed")
    case .headerPastEnd(let length, let size):
      damaged("its header should be \(length) bytes long, but the file has only \(size)")
    case .headerNotText: damaged("its header is not UTF-8 text")
    case .headerNotObject: damaged("its header does not begin with '{'")
    case .headerMalformed(let reason): damaged("in its header, \(reason)")
    case .unknownType(let name, let type):
      damaged("'\(name)' has dtype '\(type)', but only \(ElementType.list) are known")
    case .badShape(let name, let shape):
      damaged("'\(name)' has shape \(shape), but a shape needs extents of at least 0 and a size below 2^63")
    case .badOffsets(let name, let offsets):
      damaged("'\(name)' has data_offsets \(offsets), but a start and an end not before it are needed")
    case .wrongSize(let name, let type, let shape, let found, let needed):
      damaged("'\(name)' has \(found) bytes, but \(type.rawValue) \(shape) needs \(needed)")
    case .overlap(let name, let start, let previousEnd):
      damaged(
        "'\(name)' starts at byte \(start) of the data, inside another tensor that ends at \(previousEnd)")
    case .hole(let name, let start, let previousEnd):
      damaged(
        "'\(name)' starts at byte \(start) of the data, but the tensor before it ends at \(previousEnd)")
    case .wrongEnd(let dataSize, let needed):
      damaged("its tensors need \(needed) bytes of data, but the file has \(dataSize)")
    case .noTensor(let name, let nearest):
      "'\(name)' is not in '\(path)'" + (nearest.map { "; the nearest name there is '\($0)'" } ?? "")
    case .wrongType(let name, let found, let needed):
      "'\(name)' in '\(path)' is \(found.rawValue), but \(needed) is needed; convert the file"
    }
  }

  private func damaged(_ reason: String) -> String {
    "'\(path)' is not a whole safetensors file: \(reason); download or write it again"
  }
}
