import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize paint`.
struct VisualizePaint: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "paint",
    abstract: "Features painted on areas of a picture (Fig. 10).",
    discussion: """
      A row for each feature: its area, the picture with the feature added there, and the difference; at last all \
      of them together. --region and --mask say where each feature goes, in their order, regions first; without \
      them the features go into the four quarters, which up to four can.
      """)

  @Argument(
    help: ArgumentHelp(
      "Features. (default: of the strongest of --from those that do most there)", valueName: "n"))
  var features: [Int] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompt that the features come from. (default: the paper's sloth)", valueName: "text"))
  var from: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompt that is painted on. (default: the paper's classroom)", valueName: "text"))
  var prompt: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "left, right, top, bottom, centre, or x0,y0,x1,y1 from 0 to 1; repeat for several.", valueName: "area"))
  var region: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("An area painted white on black; repeat for several.", valueName: "mask.png"))
  var mask: [String] = []

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[3]

  @Option(
    name: [.long, .customLong("add")], parsing: .unconditional,
    help: ArgumentHelp(
      "How strongly, in units of the mean activation. (default: the k of the dictionary, as in eq. 11)",
      valueName: "strength"))
  var strength: Double?

  @OptionGroup var sae: SAEOptions
  @OptionGroup var shared: SharedFigureOptions

  func validate() throws {
    if let strength {
      try NumberList([strength]).check { .add(feature: 0, strength: $0, mask: .everywhere) }
    }
    if from != nil, !features.isEmpty {
      throw ValidationError("--from chooses the features; leave it out, or the features")
    }
    let areas = region.count + mask.count
    guard areas == 0 || features.isEmpty || areas == features.count else {
      throw ValidationError(
        "there are \(features.count) features and \(areas) areas; give one for each feature")
    }
    guard areas > 0 || features.count <= PaintFigure.quarters.count else {
      throw ValidationError("\(features.count) features need as many areas; give --region or --mask for each")
    }
    do {
      for region in region { _ = try Region(region) }
    } catch let problem as MaskError {
      throw ValidationError(problem.description)
    }
  }

  func run() throws {
    try shared.draw("paint-\(block)", sae, at: [block]) { job in
      // A model with prompts of its own shows the first of them, as everywhere.
      let defaults = try job.prompts().instead(of: [FigurePrompts.unrelated[2], FigurePrompts.sloth])
      let settings = job.settings
      let map = try job.renderer.laboratory.pipeline.mapSize(of: block, settings)
      var areas: [(Mask, String)] = try region.map { (.region(try Region($0)), $0) }
      areas += try mask.map {
        (try Mask(contentsOf: $0, picture: (settings.height, settings.width), map: map), $0)
      }
      if areas.isEmpty { areas = try PaintFigure.quarters.map { (.region(try Region($0)), $0) } }
      let strength = try strength ?? job.strength(at: block)
      let scenes = job.scenes([from ?? defaults[1], prompt ?? defaults[0]])
      let chosen =
        try features.isEmpty
        ? job.added(from: scenes[0], to: scenes[1], on: areas.map(\.0), of: block, strength: strength)
        : features
      return PaintFigure(
        zip(chosen, areas).map { PaintFigure.Stroke($0, on: $1.0, called: $1.1) }, of: block, on: scenes[1],
        strength: strength
      ).figure(job.renderer)
    }
  }
}
