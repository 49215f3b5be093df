import SDLensCore
import SDLensSparse

/// Other maps in place of those that some features have in an update: `ΔD + Σ_ρ (S'^ρ − S^ρ) f_ρ`.
struct MapChange: Sendable {
  /// Where the other maps come from.
  enum Source: Sendable {
    /// Codes of another update, for each step.
    case others([Int: Codes])
    /// Their own, moved by so many places on a map of that width.
    case moved(right: Int, down: Int, width: Int)
  }

  private let autoencoder: SparseAutoencoder
  private let features: [(number: Int, direction: [Float])]
  private let source: Source

  /// Of features of a dictionary.
  init(_ dictionary: BlockDictionary, _ features: [Int], to source: Source) {
    autoencoder = dictionary.autoencoder
    self.features = features.map { ($0, dictionary.direction(of: $0)) }
    self.source = source
  }

  /// Changes the last picture of an update, [batch, height, width, channels].
  func apply(to update: inout Tensor, step: Int, isGuided: Bool) {
    let codes = autoencoder.encode(isGuided ? update.picture(1) : update)
    for (number, direction) in features {
      let own = codes.map(of: number)
      let weights = zip(other(number, own, step), own).map { $0 - $1 }
      update.add(direction, weights: weights, opposite: false)
    }
  }

  private func other(_ feature: Int, _ own: [Float], _ step: Int) -> [Float] {
    switch source {
    case .others(let codes):
      guard let codes = codes[step] else { preconditionFailure("no other codes in step \(step)") }
      return codes.map(of: feature)
    case .moved(let right, let down, let width):
      return own.indices.map { place in
        let (row, column) = (place / width - down, place % width - right)
        let isInside = 0..<width ~= column && 0..<own.count / width ~= row
        return isInside ? own[row * width + column] : 0
      }
    }
  }
}
