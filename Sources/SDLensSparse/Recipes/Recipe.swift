import SDLensCore

/// How a dictionary learns: which features are active in the vectors of a batch, and what is minimised.
///
/// All else is the same for all: first weights, auxiliary loss, optimizer, directions of length 1. A recipe has a file
/// of its own and a place in `Architecture.all`.
protocol Recipe: SendableMetatype {
  /// Its name on the command line.
  static var name: String { get }
  /// What it does, for the help.
  static var summary: String { get }
  /// The settings that only some recipes have and this one looks at, by name.
  static var ownSettings: Set<String> { get }
  /// Checks settings of which every single one makes sense.
  ///
  /// - Throws: `BadTrainingSetting`.
  static func check(_ settings: TrainingSettings) throws
  /// How features are selected before the first step, in vectors of a standard deviation.
  static func selection(_ settings: TrainingSettings, deviation: Float) -> Selection
  /// The active features of a batch.
  static func choose(_ batch: inout Batch) -> Batch.Choice
  /// The loss at the chosen features, and its derivatives.
  static func derive(_ batch: inout Batch, _ choice: Batch.Choice) -> Batch.Loss
  /// How many times the learning rate a parameter moves by, in vectors of a standard deviation.
  static func rate(of parameter: String, deviation: Float) -> Double
  /// Brings the dictionary back, behind a step, to where it may be.
  static func settle(_ autoencoder: inout SparseAutoencoder)
  /// The dictionary as others are to use it.
  static func finished(_ autoencoder: SparseAutoencoder, memory: [String: Double]) -> SparseAutoencoder
}

extension Recipe {
  static var ownSettings: Set<String> { [] }
  static func check(_ settings: TrainingSettings) throws {}
  static func selection(_ settings: TrainingSettings, deviation: Float) -> Selection { .topK(settings.k) }
  static func derive(_ batch: inout Batch, _ choice: Batch.Choice) -> Batch.Loss {
    batch.reconstruction(choice)
  }
  static func rate(of parameter: String, deviation: Float) -> Double { 1 }
  static func settle(_ autoencoder: inout SparseAutoencoder) {}
  static func finished(_ autoencoder: SparseAutoencoder, memory: [String: Double]) -> SparseAutoencoder {
    autoencoder
  }
}

/// A recipe, by name.
public struct Architecture: Sendable, Equatable, CustomStringConvertible {
  let recipe: any Recipe.Type

  /// All there are, the paper's first.
  public static let all = ([TopK.self, BatchTopK.self, Matryoshka.self, JumpReLU.self] as [any Recipe.Type])
    .map { Architecture(recipe: $0) }

  /// The paper's.
  public static let topK = all[0]

  /// Its name.
  public var description: String { recipe.name }
  /// What it does.
  public var summary: String { recipe.summary }

  private init(recipe: any Recipe.Type) { self.recipe = recipe }

  /// The one of that name.
  ///
  /// - Throws: `UnknownArchitecture`.
  public init(_ name: String) throws {
    guard let found = Self.all.first(where: { $0.description == name }) else {
      throw UnknownArchitecture(name: name)
    }
    self = found
  }

  /// Whether both have one name.
  public static func == (a: Architecture, b: Architecture) -> Bool { a.description == b.description }
}

extension Architecture: Codable {
  /// Reads the name.
  public init(from decoder: any Decoder) throws {
    try self.init(try decoder.singleValueContainer().decode(String.self))
  }

  /// Writes the name.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension KeyedDecodingContainer {
  /// Trainings from before there was a choice are of the paper's.
  func decode(_ type: Architecture.Type, forKey key: Key) throws -> Architecture {
    try decodeIfPresent(type, forKey: key) ?? .topK
  }
}

/// A name that no recipe has.
public struct UnknownArchitecture: UserError {
  let name: String
  /// The name, and those there are.
  public var description: String {
    "there is no architecture '\(name)'; choose one of "
      + Architecture.all.map(\.description).joined(separator: ", ")
  }
}
