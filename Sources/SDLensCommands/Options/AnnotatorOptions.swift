import ArgumentParser
import SDLensStudy

/// Who says what features mean.
struct AnnotatorOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "CLIP: a folder, or a Hugging Face id in the local cache. (default: the model's own, if it has one)",
      valueName: "folder|id"), completion: .directory)
  var clip: String?

  @Option(
    help: ArgumentHelp(
      "Phrases that CLIP chooses from, one in each line. (default: those of shapes, for shapes)",
      valueName: "file"),
    completion: .file())
  var vocabulary: String?

  @Option(
    help: ArgumentHelp("Make sheets, and a file to write captions into.", valueName: "folder"),
    completion: .directory)
  var export: String?

  @Option(
    help: ArgumentHelp(
      "Take captions from a file: one of --export, or labels as JSON or JSON Lines with id, label, category, confidence.",
      valueName: "file"), completion: .file())
  var `import`: String?

  @Option(
    help: ArgumentHelp("What the labels are called. (default: the name of the file)", valueName: "name"))
  var source: String?
}

/// A language model that is asked.
struct EndpointOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The URL of an API with OpenAI's chat completions, as in https://api.openai.com/v1.", valueName: "url"))
  var endpoint: String?

  @Option(help: ArgumentHelp("The model that is asked.", valueName: "name"))
  var annotatorModel: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Requests on the way at once.", valueName: "n"))
  var concurrency = 4

  @Option(parsing: .unconditional, help: ArgumentHelp("Requests in a minute, at most.", valueName: "n"))
  var rate: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("The longest time for a request.", valueName: "seconds"))
  var timeLimit = 300.0

  @Option(parsing: .unconditional, help: ArgumentHelp("The most tokens of an answer.", valueName: "n"))
  var answerTokens = 1500

  @Option(
    parsing: .unconditional, help: ArgumentHelp("The width of a picture that is sent.", valueName: "pixels"))
  var cell = 256

  @Flag(help: "Write the requests into files instead of sending them, and estimate what they cost.")
  var dryRun = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What a million tokens cost that are sent, in any currency.", valueName: "price"))
  var priceIn: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What a million tokens cost that are answered.", valueName: "price"))
  var priceOut: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Send nothing that might cost more than this, all in all.", valueName: "price"))
  var maxCost: Double?

  /// Refuses what does not go together; called by the command, which knows all its options.
  func check() throws {
    let needing: [(String, Bool)] = [
      ("--annotator-model", annotatorModel != nil), ("--rate", rate != nil), ("--dry-run", dryRun),
      ("--price-in", priceIn != nil), ("--price-out", priceOut != nil), ("--max-cost", maxCost != nil),
    ]
    if endpoint == nil, let first = needing.first(where: \.1) {
      throw ValidationError("\(first.0) says how an endpoint is asked; give --endpoint too")
    }
    if endpoint != nil, annotatorModel?.isEmpty ?? true {
      throw ValidationError("an endpoint has several models; name one with --annotator-model")
    }
    guard (priceIn == nil) == (priceOut == nil) else {
      throw ValidationError("a cost needs both prices; give --price-in and --price-out")
    }
    guard maxCost == nil || priceIn != nil else {
      throw ValidationError("--max-cost needs to know what tokens cost; give --price-in and --price-out")
    }
    try checkOption("concurrency", concurrency, 1...64)
    try checkOption("answer-tokens", answerTokens, 1...1 << 20)
    try checkOption("cell", cell, 32...2048)
    for (name, value, least) in [
      ("rate", rate, 1e-3), ("time-limit", timeLimit, 0.1), ("price-in", priceIn, 0),
      ("price-out", priceOut, 0),
      ("max-cost", maxCost, 0),
    ] {
      if let value, !(value >= least && value <= 1e6) {
        throw ValidationError(
          "\(name) is \(value), but it must be from \(least == 0 ? "0" : "\(least)") to 1000000")
      }
    }
  }

  /// The one that is named; nil where none is.
  func endpoint(keeping path: String) throws -> EndpointAnnotator? {
    guard let endpoint, let annotatorModel else { return nil }
    var patience = ChatEndpoint.Patience()
    (patience.perMinute, patience.timeLimit) = (rate, timeLimit)
    let prices = priceIn.flatMap { input in
      priceOut.map { ChatPrices(input: input, output: $0, most: maxCost) }
    }
    var annotator = EndpointAnnotator(
      try ChatEndpoint(endpoint, model: annotatorModel, prices: prices, patience: patience, keeping: path),
      concurrency: concurrency)
    (annotator.answerTokens, annotator.prompt.cell) = (answerTokens, cell)
    return annotator
  }
}
