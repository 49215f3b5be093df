import SDLensDiffusion

/// The world of the embedded model `shapes`: what there is in it, and where.
///
/// A picture shows nothing, or one or two objects on a background. Everything in it is known from its caption but
/// a small shift of each object, which is read from the initial noise (`ShapesShifts`). The same world is in
/// `Scripts/shapes/world.py`, from which the model learned it.
///
/// Coordinates are pixels, x to the right, y down, (0, 0) the upper left corner.
public enum ShapesWorld {
  /// Height and width of a picture in pixels.
  public static let pictureSize = 256

  /// The outline of an object.
  public enum Form: String, CaseIterable, Sendable, Codable {
    case circle, square, triangle, star, ring, cross
  }

  /// The main colour of an object.
  public enum Colour: String, CaseIterable, Sendable, Codable {
    case red, green, blue, yellow, purple, orange, white, black
  }

  /// How large an object is.
  public enum Size: String, CaseIterable, Sendable, Codable {
    case small, large

    /// The distance from the centre of a star to its points, in pixels.
    public var radius: Float { self == .small ? 32 : 54 }
  }

  /// The pattern on an object.
  public enum Texture: String, CaseIterable, Sendable, Codable {
    case plain, striped, dotted, checkered
  }

  /// Where an object is.
  public enum Place: String, CaseIterable, Sendable, Codable {
    case left, right, top, bottom, centre

    /// The point around which objects at this place are shifted.
    public var centre: (x: Float, y: Float) {
      switch self {
      case .left: (54, 128)
      case .right: (202, 128)
      case .top: (128, 54)
      case .bottom: (128, 202)
      case .centre: (128, 128)
      }
    }

    /// The place in a caption.
    public var phrase: String {
      switch self {
      case .left, .right: "on the \(rawValue)"
      case .top, .bottom: "at the \(rawValue)"
      case .centre: "in the centre"
      }
    }
  }

  /// The colour behind the objects.
  public enum Background: String, CaseIterable, Sendable, Codable {
    case gray, pink, teal, brown, navy, cream
  }

  /// The properties that tell pictures apart.
  public enum Factor: String, CaseIterable, Sendable, Codable {
    case shape, colour, size, texture, place, background

    /// All values, in the order of the grammar.
    public var values: [String] {
      switch self {
      case .shape: Form.allCases.map(\.rawValue)
      case .colour: Colour.allCases.map(\.rawValue)
      case .size: Size.allCases.map(\.rawValue)
      case .texture: Texture.allCases.map(\.rawValue)
      case .place: Place.allCases.map(\.rawValue)
      case .background: Background.allCases.map(\.rawValue)
      }
    }

    /// The block that carries it: its training gave each of four blocks factors of their own.
    public var carrier: BlockName {
      switch self {
      case .place: BlockName.studied[0]
      case .size: BlockName.studied[1]
      case .shape, .texture: BlockName.studied[2]
      case .colour, .background: BlockName.studied[3]
      }
    }
  }

  /// One value of a factor, as in colour red: what a feature may stand for.
  public struct FactorValue: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The property.
    public let factor: Factor
    /// The word for it in a caption.
    public let value: String

    /// A value that the factor has.
    package init(factor: Factor, value: String) { (self.factor, self.value) = (factor, value) }

    /// All 31 values, factor by factor.
    public static let all = Factor.allCases.flatMap { factor in
      factor.values.map { FactorValue(factor: factor, value: $0) }
    }

    /// As in `colour red`.
    public var description: String { "\(factor.rawValue) \(value)" }
  }
}
