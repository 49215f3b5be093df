import SDLensCore

extension SparseAutoencoder {
  /// A number that changes with the dictionary: 64-bit FNV-1a over the bits of all its numbers.
  package var contentFingerprint: Fingerprint {
    var fingerprint = Fingerprint()
    let hashes = parameters.list.map { $0.tensor.hash }
    fingerprint.add("\(k.map { "\($0)" } ?? "thresholds") \(hashes)\n".utf8)
    return fingerprint
  }
}

extension Tensor {
  /// A number that changes with shape and content.
  package var hash: UInt64 {
    // A word at a time: dictionaries have tens of megabytes.
    let start = shape.extents.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    return withElements { $0.reduce(start) { ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01B3 } }
  }
}
