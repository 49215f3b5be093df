import Foundation
import SDLensCore
import Synchronization

/// Embeddings kept in a file, by what they are of, so that none is computed twice.
///
/// A file belongs to one model, whose fingerprint is its name. It begins with 8 bytes "SDLemb1\n" and the width
/// (8 bytes); entries of equal size follow: the key (16 bytes), `width` float32, and a check sum of both (8 bytes).
/// Entries are only added, in one write each batch, under a lock that other processes respect; one that a killed
/// process left unfinished is cut off, and a damaged one is said, computed again and overwritten.
public final class EmbeddingCache: Sendable {
  /// What an embedding is of.
  public struct Key: Hashable, Sendable {
    fileprivate let hash: UInt128

    /// The 128-bit FNV-1a hash of the kind of thing and its bytes.
    public init(_ kind: String, _ bytes: some Sequence<UInt8>) {
      var hash: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D
      func add(_ byte: UInt8) { hash = (hash ^ UInt128(byte)) &* 0x100_0000_0000_0000_0000_013B }
      for byte in kind.utf8 { add(byte) }
      add(0)
      for byte in bytes { add(byte) }
      self.hash = hash
    }
  }

  private static let magic = Array("SDLemb1\n".utf8)
  private static let headerSize = 16
  /// What is read at a time, in bytes.
  private static let chunk = 1 << 20

  /// Where the file lies.
  public let path: String
  private let width: Int
  private let descriptor: Int32
  private let say: @Sendable (String) -> Void
  private let state = Mutex(State())

  private struct State {
    /// The number of the entry of each key.
    var entries: [Key: Int] = [:]
    /// Damaged entries, to be overwritten.
    var free: [Int] = []
  }

  private var entrySize: Int { Self.entrySize(width: width) }

  /// The bytes of an entry.
  public static func entrySize(width: Int) -> Int { 16 + 4 * width + 8 }

  /// Opens or makes `FINGERPRINT.embeddings` in a folder, which is made too.
  ///
  /// - Parameter say: receives a sentence for each thing that is wrong with the file.
  /// - Throws: `FileError` when the folder or file cannot be written.
  public init(
    folder: String, model: Fingerprint, width: Int, say: @escaping @Sendable (String) -> Void
  ) throws {
    precondition(ConfigFile.sizes ~= width, "embeddings of width \(width)")
    path = "\(folder)/\(model).embeddings"
    (self.width, self.say) = (width, say)
    try? AtomicFolder.makeAll(folder)
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o666)
    guard descriptor >= 0 else { throw FileError.cannotWrite(path: path, code: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError.notRegular(path: path)
    }
    try locked { try load() }
  }

  deinit { close(descriptor) }

  /// How many embeddings there are.
  public var count: Int { state.withLock { $0.entries.count } }

  /// The embeddings of `keys`, [keys, width]; `make` computes those of the given places that are not there.
  ///
  /// - Throws: `FileError` when the file does not take what was computed, and the errors of `make`.
  public func rows(_ keys: [Key], else make: ([Int]) throws -> Tensor) throws -> Tensor {
    var found: [Key: [Float]] = [:]
    var missing: [Int] = []
    for (place, key) in keys.enumerated() where found[key] == nil {
      found[key] = stored(key)
      // A key that is there twice is computed once; the mark is replaced below.
      if found[key] == nil {
        missing.append(place)
        found[key] = []
      }
    }
    if !missing.isEmpty {
      let made = try make(missing)
      precondition(made.shape == [missing.count, width], "\(made.shape) for \(missing.count) keys")
      for (row, place) in missing.enumerated() {
        found[keys[place]] = made.withElements { Array($0[row * width..<(row + 1) * width]) }
      }
      try add(missing.map { (keys[$0], found[keys[$0]] ?? []) })
    }
    return Tensor(keys.flatMap { found[$0] ?? [] }, [keys.count, width])
  }

  /// As the method of a cache, or all computed without one.
  static func rows(
    _ keys: @autoclosure () -> [Key], in cache: EmbeddingCache?, else make: ([Int]) throws -> Tensor
  ) throws -> Tensor {
    let keys = keys()
    return try cache?.rows(keys, else: make) ?? make(Array(keys.indices))
  }

  // MARK: The file

  /// Reads all keys, and begins anew when the file is none of ours.
  private func load() throws {
    let size = try size()
    var header = Self.magic
    withUnsafeBytes(of: UInt64(width).littleEndian) { header.append(contentsOf: $0) }
    let begin = try read(at: 0, count: min(size, Self.headerSize))
    guard begin == header else {
      if !begin.isEmpty { say("'\(path)' is no file of embeddings of width \(width); it is begun anew") }
      guard ftruncate(descriptor, 0) == 0 else { throw FileError.cannotWrite(path: path, code: errno) }
      return try write(header, at: 0)
    }
    let count = (size - Self.headerSize) / entrySize
    if (size - Self.headerSize) % entrySize != 0 {
      say("the last entry of '\(path)' was not finished; it is computed again when it is needed")
      guard ftruncate(descriptor, off_t(offset(of: count))) == 0 else {
        throw FileError.cannotWrite(path: path, code: errno)
      }
    }
    let atATime = max(1, Self.chunk / entrySize)
    for first in stride(from: 0, to: count, by: atATime) {
      let bytes = try read(at: offset(of: first), count: min(atATime, count - first) * entrySize)
      for index in 0..<bytes.count / entrySize {
        let entry = bytes[index * entrySize..<(index + 1) * entrySize]
        state.withLock { state in
          if let (key, _) = decoded(entry) {
            state.entries[key] = first + index
          } else {
            state.free.append(first + index)
          }
        }
      }
    }
    let damaged = state.withLock { $0.free.count }
    if damaged > 0 {
      say("\(damaged) of \(count) entries in '\(path)' are damaged; they are computed again when needed")
    }
  }

  private func stored(_ key: Key) -> [Float]? {
    guard let entry = state.withLock({ $0.entries[key] }) else { return nil }
    if let bytes = try? read(at: offset(of: entry), count: entrySize), bytes.count == entrySize,
      let (found, values) = decoded(bytes[...]), found == key
    {
      return values
    }
    // It was whole when the file was opened.
    say("an entry in '\(path)' is damaged; it is computed again")
    state.withLock {
      $0.entries[key] = nil
      $0.free.append(entry)
    }
    return nil
  }

  private func add(_ rows: [(key: Key, values: [Float])]) throws {
    try locked {
      // Another process may have added some, and a killed one a part of one, which is overwritten.
      let end = max(0, (try size() - Self.headerSize) / entrySize)
      var fresh: [UInt8] = []
      for row in rows {
        let bytes = encoded(row.key, row.values)
        if let hole = state.withLock({ $0.free.popLast() }), hole < end {
          try write(bytes, at: offset(of: hole))
          state.withLock { $0.entries[row.key] = hole }
        } else {
          let entry = end + fresh.count / entrySize
          fresh += bytes
          state.withLock { $0.entries[row.key] = entry }
        }
      }
      try write(fresh, at: offset(of: end))
    }
  }

  private func offset(of entry: Int) -> Int { Self.headerSize + entry * entrySize }

  private func encoded(_ key: Key, _ values: [Float]) -> [UInt8] {
    var bytes: [UInt8] = []
    withUnsafeBytes(of: key.hash.littleEndian) { bytes.append(contentsOf: $0) }
    for value in values {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
    withUnsafeBytes(of: Self.checkSum(bytes[...]).littleEndian) { bytes.append(contentsOf: $0) }
    return bytes
  }

  /// Key and values of an entry; nil when it is damaged.
  private func decoded(_ entry: ArraySlice<UInt8>) -> (Key, [Float])? {
    entry.withUnsafeBytes { bytes in
      let sum = bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self)
      guard UInt64(littleEndian: sum) == Self.checkSum(entry.dropLast(8)) else { return nil }
      let hash = UInt128(littleEndian: bytes.loadUnaligned(as: UInt128.self))
      let values = (0..<width).map {
        Float(
          bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 16 + 4 * $0, as: UInt32.self)))
      }
      return (Key(hash: hash), values)
    }
  }

  /// 64-bit FNV-1a.
  private static func checkSum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.withUnsafeBytes { $0.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
  }

  /// Runs `body` while no other process writes, as far as the disk has locks. Without them one may write over the
  /// entries of another, which are then made again: each has a checksum.
  private func locked<R>(_ body: () throws -> R) rethrows -> R {
    while flock(descriptor, LOCK_EX) != 0 && errno == EINTR {}
    defer { flock(descriptor, LOCK_UN) }
    return try body()
  }

  private func size() throws -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.cannotRead(path: path, code: errno) }
    return Int(status.st_size)
  }

  /// Fewer bytes where the file ends.
  private func read(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
      while done < count {
        let read = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(offset + done))
        if read < 0 && errno == EINTR { continue }
        guard read >= 0 else { throw FileError.cannotRead(path: path, code: errno) }
        if read == 0 { return }
        done += read
      }
    }
  }

  private func write(_ bytes: [UInt8], at offset: Int) throws {
    var done = 0
    try bytes.withUnsafeBytes { bytes in
      while done < bytes.count {
        let written = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { throw FileError.cannotWrite(path: path, code: errno) }
        done += written
      }
    }
  }
}

extension EmbeddingCache.Key {
  fileprivate init(hash: UInt128) { self.hash = hash }
}

extension Tensor {
  /// The rows that `make` makes of things, some at a time, [things, width].
  static func rows<Thing>(
    of things: [Thing], atATime count: Int, width: Int, _ make: ([Thing]) throws -> Tensor
  ) throws -> Tensor {
    var elements: [Float] = []
    for first in stride(from: 0, to: things.count, by: count) {
      elements += try make(Array(things[first..<min(things.count, first + count)])).elements
    }
    return Tensor(elements, [things.count, width])
  }
}
