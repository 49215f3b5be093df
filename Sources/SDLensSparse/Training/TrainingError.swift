import SDLensCore

/// A setting of the training that makes no sense.
public struct BadTrainingSetting: UserError {
  let name: String
  let found: String
  let needed: String

  /// The setting, its value and the values that do.
  public var description: String { "the training setting '\(name)' is \(found), but it must be \(needed)" }
}

/// Why a training cannot start or go on.
public enum TrainingError: UserError {
  case noVectors
  case noDictionaries
  case noVariance(count: Int)
  case varianceBeyondFloat(count: Int, difference: Double)
  case differentData(name: String, values: [String])
  case notFinite(origin: String?, epoch: Int, row: Int, component: Int, value: Float)
  case diverged(dictionary: Int, step: Int)
  case changedSetting(dictionary: Int, name: String, now: String, checkpoint: String)
  case fewerSteps(now: Int, checkpoint: Int)
  case decayBegun(now: Int, checkpoint: Int)
  case changedCount(now: Int, checkpoint: Int)
  case otherData(name: String, now: Int, checkpoint: Int)
  case tooManyRanks(batch: Int, ranks: Int)
  case tooFewDictionaries(count: Int, ranks: Int)
  case ranksDiffer(rank: Int, position: Int)

  /// The sentence for the user.
  public var description: String {
    switch self {
    case .noVectors: "there are no vectors to learn from; collect activations first"
    case .noDictionaries: "there is no dictionary to train; give the settings of one at least"
    case .noVariance(let count):
      "the first \(count) vectors are all the same, so there is nothing to learn; check the activations"
    case .varianceBeyondFloat(let count, let difference):
      "the first \(count) vectors differ by up to \(difference), whose square float32 cannot hold, so they cannot be "
        + "learned from; scale the activations to about 1"
    case .differentData(let name, let values):
      "dictionaries that are trained in one pass see the same batches, but their '\(name)' is "
        + values.joined(separator: ", ") + "; make it the same or train them one after the other"
    case .notFinite(let origin, let epoch, let row, let component, let value):
      "the vector \(origin.map { "of \($0), " } ?? "")at position \(row) of the shuffled order of epoch \(epoch)"
        + "\(origin == nil ? "" : ",") is \(value) in component \(component), but vectors must be finite; check or collect "
        + "the activations again"
    case .diverged(let dictionary, let step):
      "the loss of dictionary \(dictionary) is not finite any more at step \(step); "
        + "resume from the last checkpoint with a lower learning rate, or with clipping"
    case .changedSetting(let dictionary, let name, let now, let checkpoint):
      "'\(name)' of dictionary \(dictionary) is \(now), but the training began with \(checkpoint); "
        + "resume with \(checkpoint) or begin anew with --restart"
    case .fewerSteps(let now, let checkpoint):
      "the training is to end after step \(now), but the checkpoint is at step \(checkpoint); "
        + "give more steps or epochs, or begin anew with --restart"
    case .decayBegun(let now, let checkpoint):
      "the learning rate has begun to fall towards the end at step \(checkpoint), so the training cannot end "
        + "at step \(now); resume with the same steps or epochs, or begin anew with --restart"
    case .changedCount(let now, let checkpoint):
      "\(now) dictionaries are to be trained, but the checkpoint holds \(checkpoint); "
        + "resume with the same list of settings or begin anew with --restart"
    case .otherData(let name, let now, let checkpoint):
      "the \(name) of the vectors is \(now), but the training began with \(checkpoint); "
        + "resume with the same activations or begin anew with --restart"
    case .tooManyRanks(let batch, let ranks):
      "\(ranks) ranks are to share a batch of \(batch) vectors, which can be cut into \(Shares.blocks(batch)) pieces of 64; "
        + "run fewer, or train with a larger batch"
    case .tooFewDictionaries(let count, let ranks):
      "\(ranks) ranks are too many for \(count == 1 ? "1 dictionary" : "\(count) dictionaries"), of which each trains some; "
        + "run at most as many ranks, or let them share each step"
    case .ranksDiffer(let rank, let position):
      "at step \(position) rank \(rank) of this training has other numbers than rank 0, but all must compute the same; "
        + "run the same program with the same files, on processors of one kind"
    }
  }
}
