import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// Two whole numbers, as in `2,-1`.
struct Places: ExpressibleByArgument {
  let right, down: Int

  init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let right = numbers[0], let down = numbers[1], right.magnitude < 1 << 20,
      down.magnitude < 1 << 20
    else { return nil }
    (self.right, self.down) = (right, down)
  }
}

/// Edits that are maps: a vector for each place of a block's update.
struct MapOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Add a map to the update, as often as --add says (default: 1): a file of safetensors or NumPy, [height, "
        + "width, channels] or [places, channels].", valueName: "file"), completion: .file())
  var map: String?

  @Option(
    help: ArgumentHelp(
      "Add one vector [channels] at all places, as often as --add says: a file of safetensors or NumPy.",
      valueName: "file"), completion: .file())
  var direction: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Add the mean update of the recorded pictures whose prompts say these words, minus that of the others.",
      valueName: "words"))
  var concept: String?

  @Option(
    help: ArgumentHelp(
      "With --concept: the store. (default: the largest that fits)", valueName: "name"),
    completion: .directory)
  var store: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Put in place of the features' maps those of another prompt's run, or without --feature its whole update.",
      valueName: "text"))
  var transplant: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Move the features' maps by so many places to the right and down.", valueName: "right,down"))
  var move: Places?

  /// The options that are given, as they are written.
  var given: [String] {
    [
      ("map", map != nil), ("direction", direction != nil), ("concept", concept != nil),
      ("transplant", transplant != nil), ("move", move != nil),
    ].filter(\.1).map { "--\($0.0)" }
  }

  /// Whether something is added whose strength and area may be said.
  var isAdded: Bool { map != nil || direction != nil || concept != nil }

  /// Checks what can be checked without files; `features` are those that are named.
  func validate(_ features: [Int]) throws {
    if given.count > 1 {
      throw ValidationError(
        "\(given[0]) and \(given[1]) are two edits; give one of them, and the rest as a list with --edit")
    }
    if isAdded, !features.isEmpty {
      throw ValidationError(
        "\(given[0]) adds something of its own and takes no --feature; give features as a list with --edit")
    }
    if move != nil, features.isEmpty { throw ValidationError("--move needs a --feature") }
    if store != nil, concept == nil {
      throw ValidationError("--store says where --concept is looked up; give --concept too")
    }
    do {
      if let operation = operation(features) {
        _ = try EditList([Edit(operation, at: BlockName.studied[0])])
      }
    } catch let problem as any UserError {
      throw ValidationError(problem.description)
    }
  }

  /// The edit that moves or transplants.
  func operation(_ features: [Int]) -> Edit.Operation? {
    if let transplant { return .transplant(prompt: transplant, features: features.isEmpty ? nil : features) }
    return move.map { .move(features: features, right: $0.right, down: $0.down) }
  }

  /// What is to be added to a block.
  ///
  /// - Throws: as `UpdateMap`, `StoreLookup` and `ConceptMap`; `NoDirection`.
  func added(
    at block: BlockName, model: ModelFolder, in workspace: WorkspaceOptions, _ progress: Progress
  ) throws -> UpdateMap? {
    if let map { return try UpdateMap(contentsOf: map) }
    if let direction { return try UpdateMap(direction: direction) }
    return try concept.map {
      try UpdateMap(concept: $0, at: block, model, in: workspace.place, store: store, progress)
    }
  }

  /// Words for a folder's name.
  func words(_ features: [Int]) -> [String] {
    let numbers = features.map(String.init).joined(separator: ",")
    func last(_ path: String) -> String {
      ((path as NSString).lastPathComponent as NSString).deletingPathExtension
    }
    func plain(_ text: String) -> String {
      String(text.map { $0.isLetter || $0.isNumber ? $0 : "-" }.prefix(40))
    }
    if let path = map ?? direction { return [last(path)] }
    if let concept { return ["concept-\(plain(concept))"] }
    if let transplant { return (features.isEmpty ? [] : [numbers]) + ["transplant-\(plain(transplant))"] }
    return move.map { ["\(numbers)-move\($0.right),\($0.down)"] } ?? []
  }
}
