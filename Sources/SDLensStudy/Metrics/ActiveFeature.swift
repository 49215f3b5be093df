import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What a prompt shows of one feature.
public struct ActiveFeature: Encodable {
  /// The block.
  public let block: String
  /// The feature.
  public let feature: Int
  /// `a_ρ`, the mean of the map (paper, eq. 9).
  public let strength: Double
  /// The share of the places where it is active.
  public let area: Double
  /// Its mean activation in the data; nil where that is not known.
  public let mean: Double?
  /// How often it is active in the data; nil where that is not known.
  public let density: Double?
  /// What it means; nil where nobody has said it.
  public let caption: String?

  /// The strongest features of a block, strongest first; of equal ones the first.
  public static func strongest(
    _ count: Int, in codes: Codes, of block: BlockName, _ dictionary: DictionaryFolder
  ) -> [ActiveFeature] {
    var sums: [Int: (sum: Double, places: Int)] = [:]
    codes.forEachActive { _, feature, value in
      let found = sums[feature] ?? (0, 0)
      sums[feature] = (found.sum + Double(value), found.places + 1)
    }
    let order = sums.sorted { ($1.value.sum, $0.key) < ($0.value.sum, $1.key) }
    return order.prefix(count).map { feature, found in
      ActiveFeature(
        block: "\(block)", feature: feature, strength: found.sum / Double(codes.rows),
        area: Double(found.places) / Double(codes.rows), mean: dictionary.means.map { Double($0[feature]) },
        density: dictionary.statistics.map { Double($0.density[feature]) },
        caption: dictionary.captions[feature])
    }
  }
}
