import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// Maps of words equal the probabilities of diffusers' attention; Scripts/goldens/words.py has the recipe.
@Suite struct WordMapsTests {
  private let laboratory: Laboratory
  private let goldens: Safetensors
  private let prompt: String
  /// Of the largest magnitude; 4.6e-6 is reached.
  private static let tolerance: Float = 1e-5

  init() throws {
    laboratory = Laboratory(try ModelFolder(EditedModel.tinyPath))
    (goldens, prompt) = (try WordGoldens.tensors, try WordGoldens.prompt)
  }

  private func maps(_ run: WordGoldens.Run, _ choice: AttentionChoice) throws -> WordMaps {
    try laboratory.wordMaps(of: prompt, run.settings, choice).maps
  }

  private func layout() throws -> any DenoiserLayout { try laboratory.pipeline.denoiser.layout }

  /// Probabilities [heads, queries, keys] of one head as maps [keys, height, width].
  private func golden(_ name: String, head: Int, like maps: Tensor) throws -> Tensor {
    let one = try goldens.tensor(name).picture(head)
    return one.reshaped([1, maps.shape[1], maps.shape[2], maps.shape[0]]).channelsFirst().reshaped(maps.shape)
  }

  @Test func allRunsAreThere() { #expect(WordGoldens.runs.map(\.name) == ["plain", "guided"]) }

  // attention.get_attention_scores(query, key), the prompt's half
  @Test(arguments: WordGoldens.runs) func everyHeadEqualsDiffusers(_ run: WordGoldens.Run) throws {
    var compared = 0
    for block in try layout().blocks {
      for (layer, step) in (0..<block.layers).flatMap({ layer in (0..<run.steps).map { (layer, $0) } }) {
        let found = try maps(
          run, AttentionChoice(blocks: [block.name], layers: [layer], steps: [step], along: .heads))
        #expect(found.labels == (0..<block.heads).map { "head \($0)" })
        for head in 0..<block.heads {
          let name = "\(run.name).\(block.name).layer\(layer).\(step)"
          let map = found.all(at: head)
          expectClose(
            map, try golden(name, head: head, like: map), within: Self.tolerance, "\(name), head \(head)")
          compared += 1
        }
      }
    }
    // Five blocks of one layer with two heads, six of two layers with four.
    #expect(compared == (5 * 2 + 6 * 2 * 4) * run.steps)
  }

  // The mean of the same, over what is not laid out, of chosen heads, layers and steps.
  @Test func chosenOnesAreAveraged() throws {
    let run = WordGoldens.runs[0]
    let block = try BlockName("mid.0")
    for axis in [AttentionChoice.Axis.layers, .steps] {
      let found = try maps(run, AttentionChoice(blocks: [block], heads: [1, 3], along: axis))
      #expect(found.labels == (0..<2).map { "\(axis.rawValue.dropLast()) \($0)" })
      for item in 0..<2 {
        let map = found.all(at: item)
        var mean = Tensor(map.shape)
        for (head, other) in [(1, 0), (1, 1), (3, 0), (3, 1)] {
          let (layer, step) = axis == .layers ? (item, other) : (other, item)
          mean.add(
            try golden("plain.mid.0.layer\(layer).\(step)", head: head, like: map), scale: 0.25)
        }
        expectClose(map, mean, within: Self.tolerance, "\(axis) \(item)")
      }
    }
  }

  // F.interpolate(mode="bilinear", align_corners=False) of each block's mean, then their mean.
  @Test(arguments: WordGoldens.runs) func blocksOfAllSizesAreJoined(_ run: WordGoldens.Run) throws {
    let found = try maps(run, AttentionChoice(along: .blocks))
    #expect(found.labels == BlockName.sdxl.map(\.description))
    var sum = Tensor([77, found.size.height, found.size.width])
    for (label, block) in BlockName.sdxl.enumerated() {
      let wanted = try goldens.tensor("\(run.name).scaled.\(block)")
      sum.add(wanted, scale: 1 / 11)
      for token in [0, 3, 76] {
        expectClose(
          found.map(of: [token], at: label, size: found.size),
          wanted.picture(token).reshaped([found.size.height, found.size.width]), within: Self.tolerance,
          "\(block), token \(token)")
      }
    }
    let joined = try maps(run, AttentionChoice())
    #expect(joined.labels == [""])
    expectClose(joined.all(), sum, within: Self.tolerance, "all blocks")
    for token in [1, 40] {
      expectClose(found.mean(of: [token]), joined.map(of: [token]), within: 1e-6, "mean")
    }
  }

  @Test(arguments: WordGoldens.runs) func lookingChangesNoBit(_ run: WordGoldens.Run) throws {
    let plain = try laboratory.pipeline.sample(
      laboratory.embeddings(of: prompt, run.settings), run.settings)
    for axis in [nil, AttentionChoice.Axis.blocks, .steps] {
      let watched = try laboratory.wordMaps(of: prompt, run.settings, AttentionChoice(along: axis)).trace
      expectSame(watched.latents, plain.latents, "watched along \(axis?.rawValue ?? "nothing")")
    }
  }

  @Test func wordsShareEveryPlaceOut() throws {
    let found = try maps(WordGoldens.runs[1], AttentionChoice())
    let words = try found.tokens.names.map { try found.map(of: $0) }
    let sum = words.reduce(Tensor(words[0].shape), +)
    expectClose(sum, Tensor(repeating: 1, sum.shape), within: 2e-6, "the sum of all words")
    // A word of several tokens that is there twice.
    let circles = try found.map(of: "circle")
    expectClose(
      circles, found.map(of: Array(2...6) + Array(10...14)), within: 1e-6, "both circles, token by token")
    expectClose(
      try found.map(of: "circle#1") + found.map(of: "circle#2"), circles, within: 1e-6, "one and one")
  }

  @Test func masksAreWhereAWordIsStrong() throws {
    let found = try maps(WordGoldens.runs[0], AttentionChoice())
    let map = found.map(of: try found.tokens.places(of: "red"), size: (6, 8))
    let (low, high) = (map.finiteRange.lowerBound, map.finiteRange.upperBound)
    for threshold in [0, 0.25, 0.5, 1] {
      let mask = try found.mask(of: "red", threshold: threshold, size: (6, 8))
      #expect(mask.height == 6 && mask.width == 8)
      let wanted: [Float] = map.elements.map { ($0 - low) / (high - low) >= Float(threshold) ? 1 : 0 }
      #expect(mask.values == wanted, "\(threshold)")
    }
    // A smaller map of a block has the means of the places under it.
    let one = try maps(WordGoldens.runs[0], AttentionChoice(blocks: [BlockName("up.1.0")]))
    let (small, large) = (one.map(of: [3], size: (1, 2)), one.map(of: [3]))
    #expect(large.shape == [3, 4])
    for column in 0..<2 {
      let below = [0, 1, 4, 5, 8, 9].map { large[$0 + 2 * column] }
      #expect(abs(small[column] - below.reduce(0, +) / 6) < 1e-6)
    }
  }

  @Test func aWordWithoutAPlaceIsNoMask() throws {
    let settings = try RunSettings(seed: 1, height: 8, width: 8)
    let maps = try laboratory.wordMaps(of: "a circle", settings).maps
    #expect(
      errorMessage { try maps.mask(of: "circle", size: (1, 1)) }
        == "the map of 'circle' is the same everywhere, so that it tells no area; give a --region or a painted --mask"
    )
  }

  @Test(arguments: [
    (AttentionChoice(layers: [1]), "there is no layer 1: down.1.0 has only layer 0"),
    (
      AttentionChoice(blocks: [.studied[1]], layers: [0, 7, 2]),
      "there is no layer 2: mid.0 has the layers 0 to 1"
    ),
    (AttentionChoice(heads: [3]), "there is no head 3: down.1.0 has the heads 0 to 1"),
    (AttentionChoice(steps: [2]), "there is no step 2: the run has the steps 0 to 1"),
    (
      AttentionChoice(along: .layers),
      "the layers of one block can be laid out, but 11 blocks are chosen; name one with --block"
    ),
    (
      AttentionChoice(blocks: []),
      "no blocks are chosen, so that there is nothing to see; leave them out for all"
    ),
    (
      AttentionChoice(heads: []),
      "no heads are chosen, so that there is nothing to see; leave them out for all"
    ),
  ])
  func whatIsNotThere(_ choice: AttentionChoice, _ message: String) throws {
    let run = WordGoldens.runs[0]
    #expect(errorMessage { _ = try maps(run, choice) } == message)
  }
}
