/// What a file is by its first bytes, where they tell: files are often given under another name than their own.
package enum FileKind: Equatable, Sendable {
  case zip, torch, pickle, numPy, numPyArchive, tar, gguf, parquet, hdf5, webPage, json, text
  /// Made smaller by a program of that name.
  case compressed(String)
  /// Text of two bytes a character.
  case wideText
  /// A picture, and the name of its format.
  case picture(String)

  /// Looks at a file, all of it or its beginning; nil for what begins like none of these.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    func begins(_ text: String) -> Bool { bytes.starts(with: text.utf8) }
    func has(_ text: String, at place: Int) -> Bool {
      bytes.count >= place + text.utf8.count
        && bytes[place..<place + text.utf8.count].elementsEqual(text.utf8)
    }
    let text = String(decoding: bytes.prefix(256), as: UTF8.self).lowercased().drop { $0.isWhitespace }
    let kind: FileKind? =
      if bytes.starts(with: [0x1F, 0x8B, 8]) {
        .compressed("gzip")
      } else if begins("BZh") {
        .compressed("bzip2")
      } else if bytes.starts(with: [0xFD] + Array("7zXZ".utf8)) {
        .compressed("xz")
      } else if bytes.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
        .compressed("zstd")
      } else if begins("PK\u{3}\u{4}") {
        Self.ofZip(bytes)
      } else if bytes.starts(with: NumPyFile.magic) {
        .numPy
      } else if bytes.count > 1, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
        .pickle
      } else if has("ustar", at: 257) {
        .tar
      } else if begins("GGUF") {
        .gguf
      } else if bytes.starts(with: [0x89] + Array("HDF\r\n".utf8)) {
        .hdf5
      } else if begins("PAR1") {
        .parquet
      } else if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        || bytes.count > 3 && (bytes[0] == 0) != (bytes[1] == 0) && (bytes[0] == 0) == (bytes[2] == 0)
          && (bytes[1] == 0) == (bytes[3] == 0)
      {
        .wideText
      } else if bytes.starts(with: [0x89] + Array("PNG".utf8)) {
        .picture("PNG")
      } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
        .picture("JPEG")
      } else if begins("GIF8") {
        .picture("GIF")
      } else if has("WEBP", at: 8) {
        .picture("WebP")
      } else if has("ftyp", at: 4) {
        .picture("AVIF or HEIF")
      } else if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
        .webPage
      } else if text.hasPrefix("{") || text.hasPrefix("[") {
        .json
      } else if bytes.count >= 8, bytes.prefix(256).allSatisfy({ 0x20..<0x7F ~= $0 || 9...13 ~= $0 }) {
        .text
      } else {
        nil
      }
    guard let kind else { return nil }
    self = kind
  }

  /// Looks at the file at a path; nil also for what is no file that can be read.
  package init?(at path: String) {
    guard let kind = (try? MappedFile(path: path))?.withBytes({ FileKind($0) }) else { return nil }
    self = kind
  }

  /// A zip is told by the name of its first member.
  private static func ofZip(_ bytes: UnsafeRawBufferPointer) -> FileKind {
    guard bytes.count > 30 else { return .zip }
    let length = Int(bytes[26]) | Int(bytes[27]) << 8
    let name = String(decoding: bytes[30..<min(bytes.count, 30 + length)], as: UTF8.self)
    return name.hasSuffix(".npy") ? .numPyArchive : name.contains("/data.pkl") ? .torch : .zip
  }

  /// What stands behind the path of such a file where tensors are wanted: what it is, and what to do.
  package var besideTensors: String {
    let safe = "download the .safetensors file, or write one in Python with safetensors.torch.save_file"
    switch self {
    case .compressed(let program): return "is compressed by \(program); unpack it first"
    case .torch:
      return
        "is a PyTorch checkpoint (.ckpt, .pt or .bin of version 1.6 or later), which can run code when it is "
        + "opened; \(safe)"
    case .pickle:
      return
        "is a PyTorch checkpoint of before version 1.6, a pickle, which can run code when it is opened; \(safe)"
    case .tar:
      return "is a tar archive, as PyTorch wrote checkpoints before version 0.1.10; \(safe)"
    case .gguf:
      return
        "is a GGUF file, with weights quantised for other programs; take the .safetensors file in float16"
    case .webPage:
      return
        "is a web page, perhaps the one that asks to log in or to accept a licence; open the address in a "
        + "browser, and download the file itself"
    case .json:
      return
        "is JSON text, perhaps an answer that says why a download failed; read it, and download the file again"
    case .numPyArchive:
      return
        "is an archive of NumPy's (.npz); write the array that is meant with numpy.save, or the tensors with "
        + "safetensors.numpy.save_file"
    case .numPy: return "is an array of NumPy's (.npy); write it with safetensors.numpy.save_file"
    case .zip: return "is a zip archive; unpack it first"
    case .parquet: return "is a Parquet table, but a .safetensors file is needed; \(safe)"
    case .hdf5: return "is an HDF5 file, but a .safetensors file is needed; \(safe)"
    case .text, .wideText: return "is text, but a .safetensors file is needed; \(safe)"
    case .picture(let format): return "is a picture (\(format)), but a .safetensors file is needed; \(safe)"
    }
  }

  /// The same where text is wanted.
  package var besideText: String {
    switch self {
    case .compressed(let program): "is compressed by \(program); unpack it first"
    case .zip: "is a zip archive or a spreadsheet; unpack it, or save it as CSV in UTF-8"
    case .parquet: "is a Parquet table; write it as CSV, as pandas does with read_parquet and to_csv"
    case .wideText: "is UTF-16 text; save it as UTF-8"
    default: "is not UTF-8 text; save it as UTF-8"
    }
  }
}
