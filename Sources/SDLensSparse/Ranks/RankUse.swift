/// How several ranks train.
public enum RankUse: String, CaseIterable, Sendable {
  /// All compute a part of every step of every dictionary.
  case share
  /// Each computes all steps of some of the dictionaries; all get all vectors.
  case spread

  /// Whether dictionaries are spread: where somebody says so, else where there is one for each rank at least.
  ///
  /// - Throws: `TrainingError.tooFewDictionaries`.
  static func isSpread(_ use: RankUse?, dictionaries: Int, ranks: Int) throws -> Bool {
    guard ranks > 1 else { return false }
    guard use != .spread || dictionaries >= ranks else {
      throw TrainingError.tooFewDictionaries(count: dictionaries, ranks: ranks)
    }
    return use.map { $0 == .spread } ?? (dictionaries >= ranks)
  }
}
