import SDLensCore
import SDLensSparse

/// How often special features of a larger dictionary silence the general one that a smaller dictionary has.
///
/// For a feature ρ of the smaller dictionary let σ be the nearest of the larger by direction. Of the vectors on
/// which ρ is active, those count as absorbed on which σ is silent while another feature of the larger one, whose
/// cosine with ρ is at least `related`, is active. After Chanin et al., "A is for Absorption", 2024, with the smaller
/// dictionary in the place of known labels.
public struct Absorption: Sendable {
  /// The cosine from which on a feature may carry another's part.
  public static let related = 0.3

  /// For every feature of the smaller dictionary the share of absorbed vectors; nil when it was never active.
  public let shares: [Double?]

  /// Compares the codes of the same vectors, row by row.
  public init(
    _ small: (directions: Tensor, codes: Codes), _ large: (directions: Tensor, codes: Codes),
    related: Double = related
  ) {
    precondition(small.codes.rows == large.codes.rows, "codes of other vectors")
    let match = DictionaryMatch(small.directions, with: large.directions)
    let cosines = UnitVectors(small.directions).cosines(with: UnitVectors(large.directions))
    var active = [[Int]](repeating: [], count: large.codes.rows)
    large.codes.forEachActive { row, feature, _ in active[row].append(feature) }
    let count = small.directions.rows
    var (total, absorbed) = ([Int](repeating: 0, count: count), [Int](repeating: 0, count: count))
    small.codes.forEachActive { row, feature, _ in
      total[feature] += 1
      guard !active[row].contains(match.nearest[feature]) else { return }
      if active[row].contains(where: { cosines[feature, $0] >= related }) { absorbed[feature] += 1 }
    }
    shares = zip(total, absorbed).map { $0 == 0 ? nil : Double($1) / Double($0) }
  }
}
