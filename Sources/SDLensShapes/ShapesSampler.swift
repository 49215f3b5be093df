import SDLensCore

/// Random captions of the world of `shapes`, the same as those of `Scripts/shapes/world.py` for a seed.
///
/// The model's `prompts.txt` is `ShapesSampler(seed: 100).captions(20_000)`, its `held-out.txt`
/// `ShapesSampler(seed: 101, heldOut: true).captions(1000)`, a line each. Scenes without objects are not drawn.
public struct ShapesSampler: Sendable {
  private var random: PCG64
  private let heldOut: Bool

  /// Starts a sequence of captions: of those that the model learned from, or of those that it never saw.
  public init(seed: UInt64, heldOut: Bool = false) {
    random = PCG64(seed: seed)
    self.heldOut = heldOut
  }

  /// Whether a caption was kept from training: every twentieth by its CRC-32, among those of more than 6 words.
  public static func isHeldOut(_ caption: String) -> Bool {
    caption.split(separator: " ").count > 6 && crc32(caption.utf8) % 20 == 0
  }

  /// The next captions, never empty; held-out ones are all different.
  public mutating func captions(_ count: Int) -> [String] {
    var (captions, seen) = ([String](), Set<String>())
    captions.reserveCapacity(count)
    while captions.count < count {
      let caption = ShapesGrammar.caption(scene())
      if !caption.isEmpty && (!heldOut || seen.insert(caption).inserted) { captions.append(caption) }
    }
    return captions
  }

  /// The next scene: one object in 56 % of cases, two in 40 %, none in 2 %, else the blank one.
  public mutating func scene() -> ShapesScene {
    while true {
      let scene = anyScene()
      if Self.isHeldOut(ShapesGrammar.caption(scene)) == heldOut { return scene }
    }
  }

  // Every draw below has its place in the sequence: to change their order is to change all captions.

  private mutating func anyScene() -> ShapesScene {
    let draw = random.uniform()
    if draw < 0.02 { return .blank }
    let count = draw < 0.04 ? 0 : draw < 0.6 ? 1 : 2
    let places = count == 1 ? [chosen(omitted: 0.06)] : differentPlaces(count)
    return ShapesScene(places.map { object(at: $0) }, background: chosen(omitted: count == 0 ? 0 : 0.12))
  }

  private mutating func object(at place: ShapesWorld.Place?) -> ShapesScene.Object {
    let shape = ShapesWorld.Form.allCases[random.integer(below: ShapesWorld.Form.allCases.count)]
    let colour: ShapesWorld.Colour? = chosen(omitted: 0.03)
    let size: ShapesWorld.Size? = chosen(omitted: 0.1)
    return ShapesScene.Object(
      shape, colour: colour, size: size, texture: Self.textures[random.integer(below: Self.textures.count)],
      place: place)
  }

  /// Plain objects are usually not called plain.
  private static let textures: [ShapesWorld.Texture?] = [
    nil, nil, nil, .plain, .striped, .dotted, .checkered, .striped, .dotted, .checkered,
  ]

  /// Different places, seldom the centre.
  private mutating func differentPlaces(_ count: Int) -> [ShapesWorld.Place?] {
    let places = ShapesWorld.Place.allCases
    let outer = random.uniform() < 0.15 ? places.count : places.count - 1
    return random.permutation(outer).prefix(count).map { places[$0] }
  }

  /// A random value, or nil with a probability.
  private mutating func chosen<Value: CaseIterable>(omitted: Double) -> Value?
  where Value.AllCases == [Value] {
    if omitted > 0, random.uniform() < omitted { return nil }
    return Value.allCases[random.integer(below: Value.allCases.count)]
  }

  /// The checksum of zlib and PNG.
  private static func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1) * 0xEDB8_8320 }
    }
  }
}
