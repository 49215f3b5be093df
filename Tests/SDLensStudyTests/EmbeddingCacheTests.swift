import Foundation
import SDLensCore
import SDLensEncoders
import SDLensStudy
import SDLensTestSupport
import Synchronization
import Testing

@Suite struct EmbeddingCacheTests {
  private let folder: TemporaryFolder
  private let said = Said()
  private static let entry = 16 + 3 * 4 + 8

  /// The sentences that a cache says.
  private final class Said: Sendable {
    private let all = Mutex([String]())
    func add(_ text: String) { all.withLock { $0.append(text) } }
    var texts: [String] { all.withLock { $0 } }
  }

  init() throws { folder = try TemporaryFolder() }

  private var path: String { folder("workspace/\(Fingerprint()).embeddings") }

  private func cache(width: Int = 3) throws -> EmbeddingCache {
    let said = said
    return try EmbeddingCache(folder: folder("workspace"), model: Fingerprint(), width: width) {
      said.add($0)
    }
  }

  private func key(_ number: Int) -> EmbeddingCache.Key {
    EmbeddingCache.Key("number", withUnsafeBytes(of: number, Array.init))
  }

  /// Asks for the embeddings of numbers, which are [n, n + ½, -n]; returns those that were computed.
  @discardableResult private func ask(_ cache: EmbeddingCache, _ numbers: [Int]) throws -> [Int] {
    func embedding(_ number: Int) -> [Float] { [Float(number), Float(number) + 0.5, -Float(number)] }
    var made: [Int] = []
    let rows = try cache.rows(numbers.map(key)) { missing in
      made = missing.map { numbers[$0] }
      return Tensor(made.flatMap(embedding), [made.count, 3])
    }
    #expect(rows.shape == [numbers.count, 3] && rows.elements == numbers.flatMap(embedding))
    return made
  }

  @Test func nothingIsComputedTwice() throws {
    let first = try cache()
    #expect(try ask(first, [1, 2, 1, 3]) == [1, 2, 3])
    #expect(try ask(first, [3, 4]) == [4])
    let second = try cache()
    #expect(second.count == 4)
    #expect(try ask(second, [4, 3, 2, 1]) == [])
    #expect(try ask(second, []) == [])
    #expect(said.texts.isEmpty)
  }

  @Test func keysDifferByKindAndBytes() {
    let keys = [
      EmbeddingCache.Key("a", [1, 2]), .init("a", [1, 2, 0]), .init("a", [2, 1]), .init("b", [1, 2]),
      .init("ab", []), .init("a", Array("b".utf8)),
    ]
    #expect(Set(keys).count == keys.count)
  }

  @Test func twoAtATimeKeepWhatBothAdd() throws {
    let (one, other) = (try cache(), try cache())
    try ask(one, [1, 2])
    try ask(other, [3])
    try ask(one, [4])
    #expect(try ask(cache(), [1, 2, 3, 4]) == [])
    #expect(said.texts.isEmpty)
  }

  // As when the process was killed at any byte of a write.
  @Test func whatWasNotFinishedIsCutOff() throws {
    try ask(cache(), [1, 2])
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(whole.count == 16 + 2 * Self.entry)
    for length in 0..<whole.count {
      try whole.prefix(length).write(to: URL(fileURLWithPath: path))
      let kept = max(0, (length - 16) / Self.entry)
      let before = said.texts.count
      #expect(try ask(cache(), [1, 2, 3]) == Array([1, 2, 3].dropFirst(kept)), "\(length) bytes")
      let isSilent = length == 0 || length == 16 || length == 16 + Self.entry
      #expect(said.texts.count == before + (isSilent ? 0 : 1), "\(length) bytes")
      #expect(try ask(cache(), [1, 2, 3]) == [], "\(length) bytes")
    }
    #expect(
      said.texts.last
        == "the last entry of '\(path)' was not finished; it is computed again when it is needed")
  }

  @Test func aDamagedEntryIsSaidAndComputedAgain() throws {
    try ask(cache(), [1, 2, 3])
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for byte in [16 + Self.entry, 16 + Self.entry + 20, 16 + 2 * Self.entry - 1] {
      var damaged = whole
      damaged[byte] ^= 4
      try damaged.write(to: URL(fileURLWithPath: path))
      #expect(try ask(cache(), [1, 2, 3]) == [2])
      #expect(
        said.texts.last == "1 of 3 entries in '\(path)' are damaged; they are computed again when needed")
      // The same bytes as before: it was overwritten.
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == whole)
    }
    #expect(said.texts.count == 3)
  }

  @Test func damageWhileTheFileIsOpenIsFound() throws {
    let cache = try cache()
    try ask(cache, [1, 2])
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.seek(toOffset: 16 + 20)
    try handle.write(contentsOf: Data([9]))
    #expect(try ask(cache, [1, 2]) == [1])
    #expect(said.texts == ["an entry in '\(path)' is damaged; it is computed again"])
    try handle.truncate(atOffset: 16)
    #expect(try ask(cache, [2]) == [2])
    #expect(try ask(self.cache(), [2]) == [])
  }

  @Test func anotherFileIsBegunAnew() throws {
    try ask(cache(), [1])
    _ = try cache(width: 4)
    #expect(said.texts == ["'\(path)' is no file of embeddings of width 4; it is begun anew"])
    #expect(try ask(cache(), [1]) == [1])
  }

  @Test func aFolderThatCannotBeMadeIsRefused() throws {
    try folder.write([1], to: "workspace")
    #expect(errorMessage { try cache() }.hasPrefix("'\(path)' cannot be written: "))
  }
}
