import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The recorded pictures of a dictionary as scenes, found by the features that are active in them.
public struct RecordedScenes: Sendable {
  /// The share of the pictures with a feature that counts as its top (paper, Sec. 4.1).
  public static let topShare = 0.05

  private let dictionary: DictionaryFolder
  private let examples: FeatureExamples
  private let pictures: RecordedPictures

  /// - Throws: `NoExamples` when nobody measured where the features are active.
  public init(_ dictionary: DictionaryFolder) throws {
    guard let examples = dictionary.examples, let pictures = dictionary.pictures else {
      throw NoExamples(path: dictionary.path)
    }
    (self.dictionary, self.examples, self.pictures) = (dictionary, examples, pictures)
  }

  /// The features that were active in some recorded picture.
  public var alive: [Int] { (0..<examples.features).filter { examples.count(of: $0) > 0 } }

  /// Whether a feature was active in some recorded picture whose prompt is known.
  func isActive(_ feature: Int) -> Bool { (try? all(feature)) != nil }

  /// In how many recorded pictures a feature was active.
  func count(of feature: Int) -> Int { examples.count(of: feature) }

  /// The features that weigh most where they are strongest: by the mean activation `a_ρ` in their two strongest
  /// pictures times the length of their direction; of equal ones the first.
  ///
  /// - Parameter share: the share of the pictures in which a feature may be active; one that is active nearly
  ///   everywhere tells no picture from another.
  public func weightiest(_ count: Int, activeInAtMost share: Double = 1) -> [Int] {
    let decoder = dictionary.autoencoder.decoder
    let most = Int(share * Double(pictures.prompts.count))
    func weight(_ feature: Int) -> Double {
      let strongest = examples[feature].prefix(2).map { Double($0.strength) }
      let direction = decoder.withElements { decoder in
        let width = decoder.count / examples.features
        return decoder[feature * width..<(feature + 1) * width].reduce(0.0) { $0 + Double($1) * Double($1) }
      }
      return strongest.reduce(0, +) / Double(strongest.count) * direction.squareRoot()
    }
    let found = alive.filter { examples.count(of: $0) <= most }.map { ($0, weight($0)) }
    return found.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.prefix(count).map(\.0)
  }

  /// How the recorded picture was made.
  private func scene(_ picture: Int) throws -> Scene? {
    guard let prompt = pictures.prompts[picture] else { return nil }
    let manifest = pictures.manifest
    return Scene(
      prompt,
      try RunSettings(
        seed: pictures.seed(of: picture), steps: manifest.steps, guidance: manifest.guidance,
        height: manifest.height, width: manifest.width))
  }

  /// The pictures with a feature, strongest first.
  ///
  /// - Throws: `NoSuchFeature`, `NeverActive`.
  private func all(_ feature: Int) throws -> [FeatureExamples.Example] {
    guard 0..<examples.features ~= feature else {
      throw NoSuchFeature(feature: feature, count: examples.features, path: dictionary.path)
    }
    let known = examples[feature].filter { pictures.prompts[$0.picture] != nil }
    guard !known.isEmpty else { throw NeverActive(feature: feature, path: dictionary.path) }
    return known
  }

  /// The strongest pictures with a feature.
  ///
  /// - Throws: `NoSuchFeature`, `NeverActive`.
  public func strongest(_ count: Int, of feature: Int) throws -> [Scene] {
    try strongestPictures(count, of: feature).compactMap { try scene($0.picture) }
  }

  /// The same as numbers of pictures, with how strong the feature is in them.
  func strongestPictures(_ count: Int, of feature: Int) throws -> [FeatureExamples.Example] {
    Array(try all(feature).prefix(count))
  }

  /// Random pictures of the top 5 % of those with a feature, strongest first; where these are fewer than `count`,
  /// the strongest ones.
  ///
  /// - Throws: `NoSuchFeature`, `NeverActive`.
  public func top(_ count: Int, of feature: Int) throws -> [Scene] {
    let all = try all(feature)
    let pool = max(count, Int((Double(examples.count(of: feature)) * Self.topShare).rounded(.up)))
    var random = PCG64(seed: UInt64(feature))
    let chosen = random.permutation(min(pool, all.count)).prefix(count).sorted()
    return try chosen.compactMap { try scene(all[$0].picture) }
  }

  /// Random pictures in which a feature is not active at all.
  ///
  /// - Parameter isSilent: looks whether it is so, where only the strongest pictures of the feature are known; of a feature
  ///   that is active nearly everywhere, fewer pictures are found.
  public func without(_ feature: Int, _ count: Int, isSilent: (Scene) throws -> Bool) throws -> [Scene] {
    try picturesWithout(feature, count) { try scene($0).map(isSilent) ?? false }.compactMap(scene)
  }

  /// The same as numbers of pictures.
  ///
  /// - Parameter isWanted: which of them may be taken.
  func picturesWithout(
    _ feature: Int, _ count: Int, where isWanted: (Int) -> Bool = { _ in true },
    isSilent: (Int) throws -> Bool
  ) throws -> [Int] {
    let active = Set(try all(feature).map(\.picture))
    let others = pictures.prompts.keys.filter { !active.contains($0) }.sorted()
    var random = PCG64(seed: UInt64(feature))
    let mixed = random.permutation(others.count).map { others[$0] }.filter(isWanted)
    if examples.isWhole(feature) { return Array(mixed.prefix(count)) }
    var found: [Int] = []
    for number in mixed.prefix(Self.tries * count) where found.count < count {
      if try isSilent(number) { found.append(number) }
    }
    return found
  }
  private static let tries = 10

  /// For each share of the strongest picture's activation the picture nearest to it, none twice, weakest first, and
  /// its own share.
  ///
  /// - Throws: `NoSuchFeature`, `NeverActive`.
  public func progression(_ shares: [Double], of feature: Int) throws -> [(share: Double, scene: Scene)] {
    try progressionPictures(shares, of: feature).compactMap { share, picture in
      try scene(picture).map { (share, $0) }
    }
  }

  /// The same as numbers of pictures.
  func progressionPictures(_ shares: [Double], of feature: Int) throws -> [(share: Double, picture: Int)] {
    var left = try all(feature)
    let most = Double(left[0].strength)
    var found: [(share: Double, picture: Int)] = []
    for share in shares where !left.isEmpty {
      func distance(_ index: Int) -> Double { abs(Double(left[index].strength) / most - share) }
      let nearest = left.indices.min { distance($0) < distance($1) }!
      let example = left.remove(at: nearest)
      found.append((Double(example.strength) / most, example.picture))
    }
    return found.sorted { $0.share < $1.share }
  }
}

/// A dictionary of which nobody knows where its features are active.
public struct NoExamples: UserError {
  let path: String

  /// Names the dictionary.
  public init(path: String) { self.path = path }

  /// The dictionary, and how it is measured.
  public var description: String {
    "'\(path)' does not know in which pictures its features are active; give a --prompt, or measure it with: "
      + "sdlens statistics --sae \(path) --store NAME"
  }
}

/// A feature that was active in no recorded picture.
public struct NeverActive: UserError {
  let feature: Int
  let path: String

  /// Names the feature and its dictionary.
  public init(feature: Int, path: String) { (self.feature, self.path) = (feature, path) }

  /// The feature, and what to do.
  public var description: String {
    "feature \(feature) of '\(path)' was active in no recorded picture: it is dead, or the recorded prompts do not show "
      + "it; choose another (sdlens features lists those of a prompt), or give a --prompt"
  }
}

/// A feature outside of its dictionary.
public struct NoSuchFeature: UserError {
  let feature: Int
  let count: Int
  let path: String

  /// Names the feature and how many there are.
  public init(feature: Int, count: Int, path: String) {
    (self.feature, self.count, self.path) = (feature, count, path)
  }

  /// The feature, and those that exist.
  public var description: String {
    "there is no feature \(feature); '\(path)' has the features 0 to \(count - 1)"
  }
}
