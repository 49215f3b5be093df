/// What a caption of the world of `shapes` says: up to two objects on a background.
///
/// A property that is nil is left out of the caption and has its default in the picture: black, large, plain, in
/// the centre, on gray.
public struct ShapesScene: Hashable, Sendable {
  /// One object.
  public struct Object: Hashable, Sendable {
    /// Its outline, the only thing that every caption names.
    public var shape: ShapesWorld.Form
    /// Its main colour.
    public var colour: ShapesWorld.Colour?
    /// How large it is.
    public var size: ShapesWorld.Size?
    /// The pattern on it.
    public var texture: ShapesWorld.Texture?
    /// Where it is.
    public var place: ShapesWorld.Place?

    /// An object of which some is said.
    public init(
      _ shape: ShapesWorld.Form, colour: ShapesWorld.Colour? = nil, size: ShapesWorld.Size? = nil,
      texture: ShapesWorld.Texture? = nil, place: ShapesWorld.Place? = nil
    ) {
      (self.shape, self.colour, self.size, self.texture, self.place) = (shape, colour, size, texture, place)
    }

    /// The object with its defaults named.
    public var resolved: Object {
      Object(
        shape, colour: colour ?? .black, size: size ?? .large, texture: texture ?? .plain,
        place: place ?? .centre)
    }
  }

  /// The objects; the first-named is in front.
  public var objects: [Object]
  /// The background.
  public var background: ShapesWorld.Background?
  /// Whether it is the picture of the empty prompt: a calm gradient, without objects.
  public let isBlank: Bool

  /// A scene with something to say.
  public init(_ objects: [Object], background: ShapesWorld.Background? = nil) {
    precondition(objects.count <= 2, "\(objects.count) objects; the world holds two")
    (self.objects, self.background, isBlank) = (objects, background, false)
  }

  private init() { (objects, background, isBlank) = ([], nil, true) }

  /// The scene of the empty prompt.
  public static let blank = ShapesScene()

  /// What the picture of a scene shows, defaults included: the values of each object, in `objects`' order, and
  /// of the background, none for the blank scene.
  public var truth: (objects: [Set<ShapesWorld.FactorValue>], background: ShapesWorld.FactorValue?) {
    let objects = objects.map { object in
      let object = object.resolved
      return Set(
        [
          (.shape, object.shape.rawValue), (.colour, object.colour?.rawValue),
          (.size, object.size?.rawValue), (.texture, object.texture?.rawValue),
          (.place, object.place?.rawValue),
        ].map { (factor: ShapesWorld.Factor, value: String?) in
          ShapesWorld.FactorValue(factor: factor, value: value ?? "")
        })
    }
    let background = ShapesWorld.FactorValue(
      factor: .background, value: (background ?? .gray).rawValue)
    return (objects, isBlank ? nil : background)
  }
}
