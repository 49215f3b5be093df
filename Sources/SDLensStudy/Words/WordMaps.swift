import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// Where in the picture the words of a prompt act: the share of its cross-attention that each place of a map gives to
/// each token.
///
/// A token's map is the mean of `softmax(q kᵀ / √d)` over the chosen heads, layers and steps of a block; over several
/// blocks it is the mean of their maps, each brought to one size. At every place the maps of all tokens add up to 1.
/// The map of a word, or of several, is the sum of its tokens' maps.
public struct WordMaps: Sendable {
  /// The tokens of the prompt.
  public let tokens: PromptTokens
  /// What was looked at.
  public let choice: AttentionChoice
  /// What is kept apart, as `down.2.1`, `layer 0`, `head 3` or `step 1`; of a mean over everything one empty name.
  public let labels: [String]
  /// Height and width of the largest map.
  public let size: (height: Int, width: Int)
  /// For each label the maps [height, width, tokens] that it is the mean of: one for each block, or one.
  private let shares: [[Tensor]]

  /// Puts maps together.
  ///
  /// - Parameter shares: for each label one or several maps [height, width, tokens].
  init(_ tokens: PromptTokens, _ choice: AttentionChoice, labels: [String], shares: [[Tensor]]) {
    precondition(labels.count == shares.count && shares.allSatisfy { !$0.isEmpty }, "\(labels.count) labels")
    (self.tokens, self.choice, self.labels, self.shares) = (tokens, choice, labels, shares)
    let largest = shares.joined().max { $0.count < $1.count }!.shape
    size = (largest[0], largest[1])
  }

  /// The map of a word: see `PromptTokens.places(of:)`.
  ///
  /// - Throws: `NoSuchWord`.
  public func map(of word: String, at label: Int = 0) throws -> Tensor {
    map(of: try tokens.places(of: word), at: label)
  }

  /// The sum of the maps of some tokens, [height, width].
  ///
  /// - Parameters:
  ///   - label: which of `labels`.
  ///   - size: of the map; without it, that of the block, or of the largest of several.
  public func map(of places: some Sequence<Int>, at label: Int = 0, size: (height: Int, width: Int)? = nil)
    -> Tensor
  {
    let (parts, places) = (shares[label], Array(places))
    let largest = parts.max { $0.count < $1.count }!.shape
    let size = size ?? (largest[0], largest[1])
    var sum = Tensor([size.height, size.width])
    for part in parts {
      let own = Tensor(
        part.withElements { x in
          (0..<part.rows).map { row in places.reduce(0) { $0 + x[row * part.width + $1] } }
        }, [part.shape[0], part.shape[1]])
      sum.add(own.resized(height: size.height, width: size.width), scale: 1 / Float(parts.count))
    }
    return sum
  }

  /// The mean over some labels, or all, the map of each brought to one size: the largest of theirs unless one is given.
  public func mean(
    of places: some Sequence<Int>, over chosen: [String]? = nil, size: (height: Int, width: Int)? = nil
  ) -> Tensor {
    let places = Array(places)
    let chosen = labels.indices.filter { chosen?.contains(labels[$0]) ?? true }
    let largest = chosen.flatMap { shares[$0] }.max { $0.count < $1.count }!.shape
    let size = size ?? (largest[0], largest[1])
    return chosen.reduce(into: Tensor([size.height, size.width])) { sum, label in
      sum.add(map(of: places, at: label, size: size), scale: 1 / Float(chosen.count))
    }
  }

  /// What a map of a word tells in numbers.
  public struct Finding: Sendable, Encodable {
    /// The word.
    public let word: String
    /// The places of its tokens.
    public let tokens: [Int]
    /// The block, layer, head or step; nil of a mean over everything.
    public let of: String?
    /// The mean over the map of the share of attention that the word has.
    public let mean: Float
    /// The lowest share.
    public let lowest: Float
    /// The highest share.
    public let highest: Float
    /// Where it is highest: row and column of the map.
    public let place: [Int]
    /// Height and width of the map.
    public let size: [Int]

    /// Reads them off a map [height, width].
    public init(_ word: String, tokens: [Int], of label: String, _ map: Tensor) {
      let (values, range) = (map.elements, map.finiteRange)
      let highest = values.firstIndex(of: range.upperBound) ?? 0
      (self.word, self.tokens, of) = (word, tokens, label.isEmpty ? nil : label)
      mean = values.reduce(0, +) / Float(values.count)
      (lowest, self.highest) = (range.lowerBound, range.upperBound)
      (place, size) = ([highest / map.shape[1], highest % map.shape[1]], map.shape.extents)
    }
  }

  /// The maps of all tokens, [tokens, height, width].
  public func all(at label: Int = 0) -> Tensor {
    .stacked(
      (0..<tokens.count).map { token in
        let map = map(of: [token], at: label)
        return map.reshaped([1, map.shape[0], map.shape[1]])
      })
  }

  /// Where a word acts: 1 where its map is at least so far from its lowest share to its highest, else 0.
  ///
  /// - Parameters:
  ///   - threshold: from 0, everywhere, to 1, only at the highest.
  ///   - size: of the map, as in `map`.
  /// - Throws: `NoSuchWord`; `FlatWord` when the map is the same everywhere.
  public func mask(of word: String, threshold: Double = 0.5, size: (height: Int, width: Int)) throws
    -> PlaceMask
  {
    let map = mean(of: try tokens.places(of: word), size: size)
    let range = map.finiteRange
    guard range.lowerBound < range.upperBound else { throw FlatWord(word: word) }
    let least = Double(range.lowerBound) + threshold * Double(range.upperBound - range.lowerBound)
    return try PlaceMask(
      height: size.height, width: size.width,
      values: map.elements.map { Double($0) >= least || $0 == range.upperBound ? 1 : 0 })
  }
}

/// A word to which all places attend alike.
public struct FlatWord: UserError {
  let word: String
  /// The word, and what to do.
  public var description: String {
    "the map of '\(word)' is the same everywhere, so that it tells no area; give a --region or a painted --mask"
  }
}

extension Laboratory {
  /// Runs a prompt and looks at what its places attend to, which changes no bit of the run.
  ///
  /// - Parameters:
  ///   - negative: the negative prompt, with guidance.
  ///   - pause: called before every block; what it throws ends the run.
  /// - Throws: `NoSuchAttention`, `TokensDiffer`, as `Pipeline.sample`, what `pause` throws, and what is wrong with the
  ///   model.
  public func wordMaps(
    of prompt: String, negative: String? = nil, _ settings: RunSettings,
    _ choice: AttentionChoice = AttentionChoice(), pause: () throws -> Void = {}
  ) throws -> (maps: WordMaps, trace: Pipeline.Trace) {
    let pipeline = try pipeline
    let (layout, steps) = (pipeline.denoiser.layout, try pipeline.stepCount(settings))
    try choice.check(layout, steps: steps)
    let tokens = try encoder.tokens(of: prompt)
    let recorder = AttentionRecorder(choice, layout)
    var hooks = HookSet()
    recorder.watch(&hooks)
    var run = try pipeline.start(embeddings(of: prompt, negative: negative, settings), settings)
    while !run.isDone {
      var pass = run.pass()
      for block in layout.blocks {
        try pause()
        pass.run(before: block.name, hooks: hooks)
      }
      try pause()
      run.advance(by: pass.finish(hooks: hooks))
    }
    let parts = recorder.means().map { block, items in
      let size = pipeline.mapSize(of: block, settings)
      return items.map { $0.reshaped([size.height, size.width, $0.width]) }
    }
    let shares =
      choice.along == .blocks ? parts : parts[0].indices.map { item in parts.map { $0[item] } }
    let maps = WordMaps(tokens, choice, labels: choice.labels(layout, steps: steps), shares: shares)
    return (maps, run.trace)
  }
}

extension Tensor {
  /// A map [h, w] in another size: interpolated where it grows, the mean of what lies below each place where it shrinks.
  func resized(height: Int, width: Int) -> Tensor {
    if shape == [height, width] { return self }
    guard height >= shape[0], width >= shape[1] else {
      return reshaped([1, shape[0], shape[1], 1]).areaMean(height: height, width: width).reshaped([
        height, width,
      ])
    }
    let scaling = MapScaling(shape, height: height, width: width, smooth: true)
    return withElements { map in
      Tensor((0..<height * width).map { scaling.value(map, $0 % width, $0 / width) }, [height, width])
    }
  }
}
