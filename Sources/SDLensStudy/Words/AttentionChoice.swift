import SDLensCore
import SDLensDiffusion

/// Which cross-attentions are looked at, and which of them are kept apart.
public struct AttentionChoice: Sendable, Hashable {
  /// What maps may be laid out along; over everything else they are means.
  public enum Axis: String, CaseIterable, Sendable, Codable { case blocks, layers, heads, steps }

  /// The blocks; nil for all that the model has.
  public var blocks: Set<BlockName>?
  /// The transformer layers in each block, from 0; nil for all.
  public var layers: Set<Int>?
  /// The heads of each layer, from 0; nil for all.
  public var heads: Set<Int>?
  /// The denoising steps, from 0; nil for all.
  public var steps: Set<Int>?
  /// What is kept apart.
  public var along: Axis?

  /// A choice; without arguments that of everything, of which only the mean is kept.
  public init(
    blocks: Set<BlockName>? = nil, layers: Set<Int>? = nil, heads: Set<Int>? = nil, steps: Set<Int>? = nil,
    along: Axis? = nil
  ) {
    (self.blocks, self.layers, self.heads) = (blocks, layers, heads)
    (self.steps, self.along) = (steps, along)
  }

  /// The blocks of a model that are looked at, in the order of the forward pass.
  func blocks(of layout: any DenoiserLayout) -> [BlockLayout] {
    layout.blocks.filter { blocks?.contains($0.name) ?? true }
  }

  /// Refuses what the model or the run does not have.
  ///
  /// - Throws: `NoSuchAttention`.
  public func check(_ layout: any DenoiserLayout, steps count: Int) throws {
    let blocks = blocks(of: layout)
    for (axis, isEmpty) in [
      (Axis.blocks, blocks.isEmpty), (.layers, layers?.isEmpty), (.heads, heads?.isEmpty),
      (.steps, steps?.isEmpty),
    ] where isEmpty == true {
      throw NoSuchAttention(
        description: "no \(axis) are chosen, so that there is nothing to see; leave them out for all")
    }
    for block in blocks {
      try Self.check(layers, .layers, block.layers, of: "\(block.name)")
      try Self.check(heads, .heads, block.heads, of: "\(block.name)")
    }
    try Self.check(steps, .steps, count, of: "the run")
    if let along, along == .layers || along == .heads, blocks.count != 1 {
      throw NoSuchAttention(
        description:
          "the \(along) of one block can be laid out, but \(blocks.count) blocks are chosen; name one with "
          + "--block")
    }
  }

  private static func check(_ chosen: Set<Int>?, _ axis: Axis, _ count: Int, of owner: String) throws {
    guard let wrong = chosen?.sorted().first(where: { !(0..<count ~= $0) }) else { return }
    let name = axis.rawValue.dropLast()
    throw NoSuchAttention(
      description: "there is no \(name) \(wrong): \(owner) has "
        + (count == 1 ? "only \(name) 0" : "the \(axis) 0 to \(count - 1)"))
  }

  /// The names of what is kept apart, in order; of a mean one, empty.
  func labels(_ layout: any DenoiserLayout, steps count: Int) -> [String] {
    switch along {
    case nil: [""]
    case .blocks: blocks(of: layout).map(\.name.description)
    case .layers: Self.numbers(layers, blocks(of: layout)[0].layers).map { "layer \($0)" }
    case .heads: Self.numbers(heads, blocks(of: layout)[0].heads).map { "head \($0)" }
    case .steps: Self.numbers(steps, count).map { "step \($0)" }
    }
  }

  static func numbers(_ chosen: Set<Int>?, _ count: Int) -> [Int] {
    (0..<count).filter { chosen?.contains($0) ?? true }
  }
}

/// A layer, head or step that there is not.
public struct NoSuchAttention: UserError {
  /// What is not there, and what is.
  public let description: String
}
