/// For how long each feature of a dictionary has not been active.
struct DeadFeatures {
  /// Vectors since the last batch in which the feature was active, by feature.
  private(set) var idle: [Int64]
  /// In how many vectors the feature was active so far, however little.
  private(set) var activations: [Int64]

  /// All features as if just active.
  init(features: Int) {
    idle = Array(repeating: 0, count: features)
    activations = idle
  }

  /// The state that another run came to.
  init(idle: [Int64], activations: [Int64]) { (self.idle, self.activations) = (idle, activations) }

  /// The features that are idle for at least `vectors`, in order.
  func features(idleFor vectors: Int) -> [Int32] {
    idle.indices.lazy.filter { idle[$0] >= vectors }.map(Int32.init)
  }

  /// How many features are idle for at least `vectors`.
  func count(idleFor vectors: Int) -> Int { idle.reduce(0) { $0 + ($1 >= vectors ? 1 : 0) } }

  /// Counts the activations of one batch.
  mutating func update(_ codes: Codes, threshold: Float) {
    for feature in idle.indices { idle[feature] += Int64(codes.rows) }
    codes.forEachActive { _, feature, value in
      activations[feature] += 1
      if value > threshold { idle[feature] = 0 }
    }
  }
}
