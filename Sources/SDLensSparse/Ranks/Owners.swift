/// Which rank trains each dictionary, where every dictionary is trained by one of several.
struct Owners {
  /// Who shares.
  let ranks: any Communicator
  /// The rank of each dictionary.
  let list: [Int]

  /// Gives dictionaries of such sizes to ranks: the largest first, each to who has the least to do.
  init(_ features: [Int], among ranks: any Communicator) {
    self.ranks = ranks
    var work = Array(repeating: 0, count: ranks.count)
    var list = Array(repeating: 0, count: features.count)
    for index in features.indices.sorted(by: { (-features[$0], $0) < (-features[$1], $1) }) {
      let rank = work.indices.min { (work[$0], $0) < (work[$1], $1) }!
      list[index] = rank
      work[rank] += features[index]
    }
    self.list = list
  }

  /// Whether this rank trains a dictionary.
  func isOwn(_ index: Int) -> Bool { list[index] == ranks.rank }
}
