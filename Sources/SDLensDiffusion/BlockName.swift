import SDLensCore

/// The name of a cross-attention transformer block: one of the 11 of SDXL, of which smaller models have fewer, or of the 16 of
/// Stable Diffusion 1 and 2.
public struct BlockName: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Where in the U-net the block stands.
  public enum Part: String, Hashable, Sendable { case down, mid, up }

  /// The way down, the middle or the way up.
  public let part: Part
  /// The index of the down or up stage; 0 for the middle.
  public let stage: Int
  /// The index of the transformer within its stage.
  public let index: Int

  /// All blocks that a model of any family may have, in the order of the forward pass.
  public static let all: [BlockName] =
    (0..<3).flatMap { stage in (0..<2).map { BlockName(part: .down, stage: stage, index: $0) } }
    + [BlockName(part: .mid, stage: 0, index: 0)]
    + (0..<4).flatMap { stage in (0..<3).map { BlockName(part: .up, stage: stage, index: $0) } }

  /// Those of SDXL.
  public static let sdxl = ModelFamily.sdxl.blocks

  /// The four that the paper studies, in the order of the forward pass.
  public static let studied = all.filter {
    ["down.2.1", "mid.0", "up.0.0", "up.0.1"].contains($0.description)
  }

  /// The name on the command line, as in `down.2.1` or `mid.0`.
  public var description: String {
    part == .mid ? "mid.\(index)" : "\(part.rawValue).\(stage).\(index)"
  }

  /// The path in a checkpoint, as in `down_blocks.2.attentions.1`.
  public var path: String {
    part == .mid ? "mid_block.attentions.\(index)" : "\(part.rawValue)_blocks.\(stage).attentions.\(index)"
  }

  /// Whether the forward pass comes to `left` before `right`.
  public static func < (left: BlockName, right: BlockName) -> Bool {
    left.place.lexicographicallyPrecedes(right.place)
  }

  private var place: [Int] { [part == .down ? 0 : part == .mid ? 1 : 2, stage, index] }

  private init(part: Part, stage: Int, index: Int) {
    self.part = part
    self.stage = stage
    self.index = index
  }

  /// Reads a short name, a checkpoint path, or one with `unet.` in front.
  ///
  /// - Throws: `UnknownBlock`, which lists the names.
  public init(_ text: String) throws {
    let path = text.hasPrefix("unet.") ? String(text.dropFirst(5)) : text
    guard let block = Self.all.first(where: { $0.description == text || $0.path == path }) else {
      throw UnknownBlock(text: text)
    }
    self = block
  }

  /// The block that the last folder of a path names, as other projects do it: its checkpoint path, alone or with `_…`
  /// behind it, as in `unet.mid_block.attentions.0_k10_hidden5120/final`. Nil when none does.
  public static func named(inPath path: String) -> BlockName? {
    for name in path.split(separator: "/").reversed() {
      let found = all.first { block in
        [block.path, "unet.\(block.path)"].contains { name == $0 || name.hasPrefix("\($0)_") }
      }
      if let found { return found }
    }
    return nil
  }
}

/// A block name that no model has.
public struct UnknownBlock: UserError {
  let text: String
  /// The name, and those that exist.
  public var description: String {
    "'\(text)' is not a transformer block; "
      + ModelFamily.all.map {
        "those of \($0.title): \($0.blocks.map(\.description).joined(separator: ", "))"
      }
      .joined(separator: "; ")
  }
}
