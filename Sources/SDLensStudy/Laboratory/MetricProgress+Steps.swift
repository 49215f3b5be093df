import SDLensDiffusion
import SDLensSparse

extension MetricProgress {
  /// Says it where a dictionary learned from other denoising steps than those that it is used at.
  public func noteSteps(of dictionary: DictionaryFolder, usedAt steps: VectorSteps) {
    let note = dictionary.saved.steps?.note(of: dictionary.identity.name, usedAt: steps)
    if let note { self.note(note) }
  }

  /// The same of the dictionaries that edits need.
  func noteSteps(of edits: [Edit], _ dictionaries: [BlockName: DictionaryFolder], stepsOfRun count: Int) {
    for (block, dictionary) in dictionaries.sorted(by: { $0.key < $1.key }) {
      let own = edits.filter { $0.block == block && $0.needsDictionary }
      guard !own.isEmpty else { continue }
      let steps = own.reduce(into: Set<Int>()) { $0.formUnion($1.steps ?? Set(0..<count)) }
      noteSteps(of: dictionary, usedAt: VectorSteps(steps.sorted(), of: count))
    }
  }
}
