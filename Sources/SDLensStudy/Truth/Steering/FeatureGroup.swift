import SDLensCore
import SDLensSparse

/// The features of a dictionary that carry most of what some updates have and others have not, one after the other.
///
/// For pairs of updates with residuals `r_p = ΔD_with,p − ΔD_without,p` at each place p, the next candidate is the one
/// whose change of codes explains most of what is left, `Σ_p 2⟨c_p, r_p⟩ − ‖c_p‖²` with
/// `c_p = Σ_ρ (S_with − S_without)_ρ,p f_ρ` over its features; then `c` is taken off `r` (a matching pursuit whose
/// coefficients are the dictionary's own).
public struct FeatureGroup: Sendable {
  /// The candidates, most telling first; none that explains nothing.
  public let candidates: [Int]
  /// The share of `Σ ‖r_p‖²` that each and those before it explain.
  public let explained: [Double]

  /// Chooses from the features alone, or from groups of them.
  ///
  /// - Parameters:
  ///   - pairs: updates [places, width] of one shape each.
  ///   - candidate: which candidate a feature belongs to.
  public init(
    _ count: Int, of autoencoder: SparseAutoencoder, explaining pairs: [(without: Tensor, with: Tensor)],
    candidate: (Int) -> Int = { $0 }
  ) {
    let width = autoencoder.width
    var residuals: [Double] = []
    // For each candidate the rows in which its codes differ, and what that adds.
    var changes: [Int: [Int: [Double]]] = [:]
    let decoder = autoencoder.decoder.elements
    for pair in pairs {
      let start = residuals.count / width
      residuals += zip(pair.with.elements, pair.without.elements).map { Double($0) - Double($1) }
      for (update, sign) in [(pair.with, 1.0), (pair.without, -1.0)] {
        autoencoder.encode(update).forEachActive { row, feature, value in
          let (own, row) = (candidate(feature), start + row)
          var change = changes[own]?[row] ?? [Double](repeating: 0, count: width)
          for channel in 0..<width {
            change[channel] += sign * Double(value) * Double(decoder[feature * width + channel])
          }
          changes[own, default: [:]][row] = change
        }
      }
    }
    func gain(_ candidate: Int) -> Double {
      // In the order of the rows: sums are the same every time.
      changes[candidate]!.sorted { $0.key < $1.key }.reduce(0) { sum, entry in
        let start = entry.key * width
        return sum
          + entry.value.indices.reduce(0) {
            $0 + entry.value[$1] * (2 * residuals[start + $1] - entry.value[$1])
          }
      }
    }
    let total = residuals.reduce(0) { $0 + $1 * $1 }
    var (chosen, shares) = ([Int](), [Double]())
    let all = changes.keys.sorted()
    while chosen.count < count {
      let gains = Parallel.map(all.count) { chosen.contains(all[$0]) ? 0 : gain(all[$0]) }
      guard let best = gains.indices.max(by: { (gains[$0], $1) < (gains[$1], $0) }), gains[best] > 0 else {
        break
      }
      for (row, change) in changes[all[best]]! {
        for channel in 0..<width { residuals[row * width + channel] -= change[channel] }
      }
      chosen.append(all[best])
      shares.append((shares.last ?? 0) + gains[best] / total)
    }
    (candidates, explained) = (chosen, shares)
  }
}
