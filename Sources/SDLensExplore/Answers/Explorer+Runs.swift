import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse
import SDLensStudy

/// Answers for which the model runs.
extension Explorer {
  /// The model, its blocks, and what can be asked.
  func info(_ models: [Answer.Info.Choice]) throws -> Answer.Info {
    let model = laboratory.model
    let summary = try ModelSummary(model)
    let blocks = summary.blocks.map { block in
      let name = try? BlockName(block.name)
      let folder = name.flatMap { laboratory.dictionaries[$0] }
      return Answer.Info.Block(
        block: block.name, mapHeight: block.mapSize, mapWidth: block.mapSize, dictionary: folder?.identity,
        features: folder?.autoencoder.features, activePerPlace: folder?.l0,
        dictionaries: name.flatMap { shelf.names[$0] } ?? [])
    }
    return Answer.Info(
      version: Version.current,
      model: .init(
        name: model.title, fingerprint: summary.fingerprint, pictureSize: pictureSize, tokens: summary.tokens),
      models: models, blocks: blocks, examples: try examples, isReadOnly: setup.isReadOnly,
      draftDecoder: try model.otherDecoder, hint: setup.hint)
  }

  /// Prompts to begin with.
  private var examples: [String] {
    get throws {
      if laboratory.model.paintsShapes {
        var sampler = ShapesSampler(seed: 42, heldOut: true)
        return ["a large red circle on the left and a small blue star on the right, on a gray background"]
          + sampler.captions(11)
      }
      let recorded = try shelf.choice().sorted.first?.value.prompts ?? []
      return recorded.isEmpty ? ["a photo of a dog on a beach"] : Array(recorded.prefix(12).map(\.text))
    }
  }

  /// What a prompt activates: the codes of every block that has a dictionary.
  func features(_ fields: inout EditFields, _ work: Work) throws -> Answer.Features {
    let request = try RunRequest(&fields, of: exactModel, pictureSize: pictureSize)
    let chosen = try shelf.choice(request.dictionaries)
    let step = try fields.optional("step").map { try Self.whole($0, "step") } ?? 0
    let top = try fields.optional("top").map { try Self.whole($0, "top") } ?? 0
    try fields.finish()
    guard 0..<request.settings.steps ~= step else {
      throw Refusal(
        422, "step is \(step), but the run has the steps 0 to \(request.settings.steps - 1)")
    }
    let (notes, tokens) = (try notes(on: request), try? laboratory.encoder.tokens(of: request.prompt))
    return try compute(request.tab, request.lane, work) { turn in
      let start = Self.now
      let run = try base(request, step: step, turn, work)
      let laboratory = laboratory(with: chosen)
      let blocks = laboratory.dictionaries.keys.sorted()
      let codes = try blocks.map { try laboratory.codes(of: $0, in: run, step: step) }
      return Answer.Features(
        prompt: request.prompt, seed: request.settings.seed, step: step, notes: notes,
        words: tokens.map { tokens in
          zip(tokens.names, tokens.words).map { .init(word: $0, tokens: $1.places.count) }
        } ?? [],
        dictionaries: Dictionary(
          uniqueKeysWithValues: laboratory.dictionaries.map { ("\($0)", $1.identity) }),
        codes: try zip(blocks, codes).map { block, codes in
          let map = try laboratory.pipeline.mapSize(of: block, request.settings)
          return Answer.Codes(
            block: "\(block)", height: map.height, width: map.width,
            counts: zip(codes.starts, codes.starts.dropFirst()).map { $1 - $0 }.base64 {
              UInt16(clamping: $0)
            }, features: codes.indices.base64 { $0 }, values: codes.values.base64 { $0.bitPattern })
        },
        features: top <= 0
          ? []
          : zip(blocks, codes).flatMap { block, codes in
            ActiveFeature.strongest(top, in: codes, of: block, laboratory.dictionaries[block]!)
          }, seconds: Self.now - start)
    }
  }

  private static func whole(_ value: JSONValue, _ key: String) throws -> Int {
    guard case .int(let number) = value else {
      throw EditFields.Mistake("has as '\(key)' \(value), but it must be a whole number")
    }
    return number
  }

  /// What a model makes of a prompt differently than people may think.
  private func notes(on request: RunRequest) throws -> [String] {
    var notes: [String] = []
    let encoder = try laboratory.encoder
    for (name, text) in [("prompt", request.prompt), ("negative prompt", request.negative ?? "")] {
      if let cut = encoder.cut(from: text) {
        notes.append("The \(name) is longer than \(encoder.tokens) tokens; left out: \"\(cut)\"")
      }
      if laboratory.model.paintsShapes, let unknown = UnknownWords(text, name: name) {
        notes.append(unknown.note)
      }
    }
    return notes
  }

  /// The run without edits, in which edits may begin at every block.
  private func base(_ request: RunRequest, step: Int, _ turn: Turns.Turn, _ work: Work) throws -> BaseRun {
    let settings = request.settings
    // Text encoders of real models take gigabytes; a prompt is encoded once.
    defer { if !laboratory.model.paintsShapes { laboratory.releaseEncoder() } }
    return try laboratory.run(
      request.prompt, negative: request.negative, settings, watching: laboratory.model.blocks,
      atSteps: request.keptSteps(step), pause: pause("the run without edits", settings, turn, work))
  }

  /// What happens between two blocks: whoever has gone or asked for something newer is not computed for.
  func pause(
    _ stage: String, _ settings: RunSettings, _ turn: Turns.Turn, _ work: Work, _ counter: PartCounter? = nil
  ) -> () throws -> Void {
    let counter = counter ?? PartCounter()
    let all = Double(parts(settings))
    return {
      try turn.check()
      if work.isGone { throw Superseded() }
      try work.progress(stage, min(1, Double(counter.count) / all))
      counter.count += 1
    }
  }

  /// The parts of a run: in each step what ends before each block, and what follows the last.
  private func parts(_ settings: RunSettings) -> Int { settings.steps * (blocks + 1) }

  /// The model at work with chosen dictionaries.
  private func laboratory(with chosen: Shelf.Choice) -> Laboratory {
    Laboratory(
      laboratory, dictionaries: chosen.folders, blockDictionaries: chosen.indexes.mapValues(\.edited))
  }

  static var now: Double { ProcessInfo.processInfo.systemUptime }

  /// A picture, with the command that writes the same bytes.
  func picture(_ fields: inout EditFields, edited: Bool, _ work: Work) throws -> Answer.Picture {
    let request = try RunRequest(&fields, of: exactModel, pictureSize: pictureSize)
    let chosen = try shelf.choice(request.dictionaries)
    let given = edited ? try edits(&fields) : try EditList([])
    let isDraft = try draft(&fields)
    try fields.finish()
    let needed = chosen.folders.filter { block, _ in
      given.edits.contains { $0.block == block && $0.needsDictionary }
    }
    let list = given.naming(needed)
    let settings = request.settings
    return try compute(request.tab, request.lane, work) { turn in
      let (start, made) = (Self.now, laboratory.madeRuns)
      let intervention = try laboratory(with: chosen).interventions(
        [list], negative: request.negative, settings)[0]
      let run = try base(request, step: intervention.start?.step ?? 0, turn, work)
      let isNew = laboratory.madeRuns > made
      let ran = Self.now
      let anew = PartCounter()
      let trace = try run.run(intervention, pause: pause("the edits", settings, turn, work, anew))
      let changed = Self.now
      try work.progress("the picture", 1)
      let picture = try laboratory.picture(trace, exactly: !isDraft)
      let decoded = Self.now
      let (texts, words) = try origin(
        request, list, needed, namesDictionaries: setup.namesDictionaries || !chosen.isUsual, isDraft: isDraft
      )
      let png = try PNG.encode(picture, text: texts)
      return Answer.Picture(
        prompt: request.prompt, seed: settings.seed, width: picture.width, height: picture.height,
        edits: list.edits.isEmpty ? nil : list,
        command: (["sdlens"] + words).map(\.shellWord).joined(separator: " "),
        png: Data(png).base64EncodedString(), isDraft: isDraft,
        anew: Double(anew.count) / Double(parts(settings)),
        seconds: .init(
          base: isNew ? ran - start : 0, edited: changed - ran, decode: decoded - changed,
          encode: Self.now - decoded))
    }
  }

  /// Whether a draft is asked for.
  ///
  /// - Throws: `EditFields.Mistake`, `Refusal`.
  private func draft(_ fields: inout EditFields) throws -> Bool {
    switch fields.optional("draft") {
    case nil, .null?, .bool(false)?: return false
    case .bool(true)? where laboratory.model.draft != nil: return true
    case .bool?:
      throw Refusal(
        422, "this page has no decoder of drafts; start it with one: sdlens explore --decoder FOLDER")
    case let value?: throw EditFields.Mistake("has as 'draft' \(value), but it must be true or false")
    }
  }

  /// What a picture says of itself, and the words of the command that says the same.
  private func origin(
    _ request: RunRequest, _ list: EditList, _ dictionaries: [BlockName: DictionaryFolder],
    namesDictionaries: Bool, isDraft: Bool
  ) throws -> ([PNGText], [String]) {
    let run = request.words(pictureSize: pictureSize)
    let model = isDraft ? laboratory.model : exactModel
    let modelWords = setup.modelWords + (isDraft ? setup.decoderWords : [])
    guard !list.edits.isEmpty else {
      let record = try RunRecord(
        of: model, prompt: request.prompt, negativePrompt: request.negative, settings: request.settings)
      return (try record.texts(), ["generate"] + run + modelWords)
    }
    let paths = dictionaries.sorted { $0.key < $1.key }.map(\.value.path)
    let named = namesDictionaries && !paths.isEmpty ? ["--sae"] + paths : []
    let words =
      try ["intervene"] + run + ["--edit", list.line] + modelWords + setup.workspaceWords + named
    let record = try RunRecord(
      of: model, prompt: request.prompt, negativePrompt: request.negative,
      settings: request.settings, dictionaries: dictionaries, request: RunRecord.Request(words))
    return (try record.texts(edits: list), words)
  }
}

/// How many parts of a run were computed.
final class PartCounter {
  var count = 0
}
