import SDLensCore

/// Files that are given as safetensors files and are none.
enum ForeignFile {
  /// Opens a safetensors file.
  ///
  /// - Throws: `FileError`; of a file that is none `UnusableFile` where its first bytes tell what it is, else
  ///   `SafetensorsError`.
  static func open(_ path: String) throws -> Safetensors {
    do {
      return try Safetensors(contentsOf: path)
    } catch let problem as SafetensorsError {
      guard let found = try MappedFile(path: path).withBytes(kind) else { throw problem }
      throw UnusableFile(path: path, found: found)
    }
  }

  private static let safe =
    "download the .safetensors file, or write one in Python with safetensors.torch.save_file"

  /// What a file is by its first bytes, and what to do; nil for what may be a damaged safetensors file.
  private static func kind(_ bytes: UnsafeRawBufferPointer) -> String? {
    if bytes.starts(with: [0x1F, 0x8B, 8]) { return "is compressed by gzip; unpack it first" }
    // The length of a header that may be read has zeros there.
    guard bytes.count < 8 || bytes[4..<8].contains(where: { $0 != 0 }) else { return nil }
    func begins(_ text: String) -> Bool { bytes.starts(with: text.utf8) }
    if begins("PK\u{3}\u{4}") {
      return
        "is a PyTorch checkpoint (.ckpt, .pt or .bin of version 1.6 or later), which can run code when it is "
        + "opened; \(safe)"
    }
    if bytes[0] == 0x80, bytes.count > 1, (2...5).contains(bytes[1]) {
      return
        "is a PyTorch checkpoint of before version 1.6, a pickle, which can run code when it is opened; \(safe)"
    }
    if bytes.count > 262, bytes[257..<262].elementsEqual("ustar".utf8) {
      return "is a tar archive, as PyTorch wrote checkpoints before version 0.1.10; \(safe)"
    }
    if begins("GGUF") {
      return
        "is a GGUF file, with weights quantised for other programs; take the .safetensors file in float16"
    }
    let text = String(decoding: bytes.prefix(256), as: UTF8.self).lowercased().drop { $0.isWhitespace }
    if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
      return
        "is a web page, perhaps the one that asks to log in or to accept a licence; open the address in a "
        + "browser, and download the file itself"
    }
    if text.hasPrefix("{") || text.hasPrefix("[") {
      return
        "is JSON text, perhaps an answer that says why a download failed; read it, and download the file again"
    }
    return nil
  }
}

/// A file that cannot be used for what it was given.
struct UnusableFile: UserError {
  let path: String
  /// What it is, as the end of a sentence, and what to do.
  let found: String
  var description: String { "'\(path)' \(found)" }
}
