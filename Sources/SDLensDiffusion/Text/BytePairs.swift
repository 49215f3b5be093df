import SDLensCore

/// The merges of byte-pair encoding: which two neighbours become one token, and which come first.
struct BytePairs: Sendable {
  private struct Merge {
    let rank: Int
    let result: Int
  }
  private let merges: [Pair: Merge]

  private struct Pair: Hashable {
    let left: Int
    let right: Int
  }

  /// Reads the merges of a tokenizer: pairs of tokens, most frequent first.
  ///
  /// - Throws: as `TokenizerFiles.merges`, and `VocabularyError` for a pair whose parts or result the vocabulary
  ///   does not have.
  init(_ files: TokenizerFiles, _ vocabulary: Vocabulary) throws {
    let (path, pairs) = try files.merges()
    var merges = [Pair: Merge](minimumCapacity: pairs.count)
    for (index, (left, right, place)) in pairs.enumerated() {
      func id(_ token: String) throws -> Int {
        guard let id = vocabulary[token] else {
          throw VocabularyError.unknownMerge(
            path: path, place: place, text: "\(left) \(right)", token: token, vocabulary: vocabulary.path)
        }
        return id
      }
      merges[Pair(left: try id(left), right: try id(right))] = Merge(
        rank: index, result: try id(left + right))
    }
    self.merges = merges
  }

  /// Merges neighbours until no pair is left: always the first in the file, the leftmost of equal ones.
  func merged(_ word: [Int]) -> [Int] {
    // A linked list of what is left of the word, and a heap of pairs; one that has gone is skipped later.
    var ids = word
    var next = Array(word.indices.dropFirst()) + [-1]
    var previous = [-1] + Array(word.indices.dropLast())
    var candidates = Heap()
    func merge(at index: Int) -> Merge? {
      guard next[index] >= 0 else { return nil }
      return merges[Pair(left: ids[index], right: ids[next[index]])]
    }
    func consider(_ index: Int) {
      if index >= 0, let merge = merge(at: index) { candidates.push(Candidate(merge.rank, index)) }
    }
    for index in word.indices { consider(index) }
    while let candidate = candidates.pop() {
      let index = candidate.index
      guard ids[index] >= 0, let merge = merge(at: index), merge.rank == candidate.rank else { continue }
      let gone = next[index]
      ids[index] = merge.result
      ids[gone] = -1
      next[index] = next[gone]
      if next[gone] >= 0 { previous[next[gone]] = index }
      consider(previous[index])
      consider(index)
    }
    return ids.filter { $0 >= 0 }
  }
}

/// A pair that may be merged: the rank of its merge and where its left token stands.
private struct Candidate: Comparable {
  let rank: Int
  let index: Int

  init(_ rank: Int, _ index: Int) {
    self.rank = rank
    self.index = index
  }

  static func < (left: Candidate, right: Candidate) -> Bool {
    (left.rank, left.index) < (right.rank, right.index)
  }
}

/// A binary heap with the smallest candidate on top.
private struct Heap {
  private var items: [Candidate] = []

  mutating func push(_ item: Candidate) {
    items.append(item)
    var index = items.count - 1
    while index > 0, items[index] < items[(index - 1) / 2] {
      items.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func pop() -> Candidate? {
    guard let last = items.popLast() else { return nil }
    guard let top = items.first else { return last }
    items[0] = last
    var index = 0
    while true {
      let children = (2 * index + 1..<2 * index + 3).clamped(to: items.indices)
      guard !children.isEmpty, let least = children.min(by: { items[$0] < items[$1] }),
        items[least] < items[index]
      else { return top }
      items.swapAt(index, least)
      index = least
    }
  }
}
