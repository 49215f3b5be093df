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

  /// For every feature of the smaller dictionary the share of absorbed vectors; nil where it was never active.
  public let shares: [Double?]

  /// Compares two dictionaries on the vectors of the first pictures of a store; which is the smaller one is found out.
  ///
  /// - Parameter progress: called for each picture.
  /// - Throws: `BlockNotStored`, `EmptyStore`, `WidthMismatch`.
  public init(
    _ both: [SparseAutoencoder], at block: String, in store: ActivationStore, limit: Int = .max,
    progress: () -> Void = {}
  ) throws {
    precondition(both.count == 2, "\(both.count) dictionaries")
    let activations = try store.activations(of: block)
    for autoencoder in both where autoencoder.width != activations.width {
      throw WidthMismatch(block: block, stored: activations.width, dictionary: autoencoder.width)
    }
    let ordered = both.sorted { $0.features < $1.features }
    var codes: [[Codes]] = [[], []]
    for picture in 0..<min(limit, activations.pictures) {
      let rows = try activations.rows(ofPicture: picture)
      for (index, autoencoder) in ordered.enumerated() { codes[index].append(autoencoder.encode(rows)) }
      progress()
    }
    let whole = zip(ordered, codes).map { ($0.decoder, Codes(joining: $1)) }
    self.init(whole[0], whole[1])
  }

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
