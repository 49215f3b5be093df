import SDLensCore

/// What a run lets others see and change: closures over the tensors of the blocks.
///
/// A set is a value passed to the call. Nothing is registered on the model, so nothing has to be
/// removed, and two runs with different sets do not know of each other. Feature maps are
/// [batch, height, width, channels]; with guidance the batch is [unconditional…, conditional…].
/// Actions at one site run in the order in which they were added.
public struct HookSet {
  /// A place in a transformer block.
  public enum Site: String, Sendable, CaseIterable {
    /// The residual stream `D_in` before the block.
    case input
    /// What the block adds, `ΔD = D_out − D_in` (paper, eq. 6).
    case update
    /// The residual stream `D_out` after the block.
    case output
  }

  /// Which attention of a transformer layer.
  public enum AttentionKind: String, Sendable, CaseIterable { case selfAttention, crossAttention }

  /// What an observer of attention receives.
  public enum AttentionPart: String, Sendable, CaseIterable {
    /// `softmax(q kᵀ / √d)`, [batch, heads, queries, keys].
    case probabilities
    /// The heads' outputs side by side before they are mixed, [batch, queries, heads · d].
    case headOutputs
  }

  /// Changes a tensor in place; the second argument is the denoising step.
  public typealias Edit = (inout Tensor, Int) -> Void
  /// Looks at a tensor; the second argument is the denoising step.
  public typealias Observation = (Tensor, Int) -> Void
  /// Makes an update from the block's input, in place of the block; nil adds nothing.
  public typealias Replacement = (Tensor, Int) -> Tensor?

  enum Action {
    case edit(Edit)
    case observe(Observation)
    case replace(Replacement)
  }

  private struct Entry<Body> {
    let steps: Set<Int>?
    let body: Body
    func acts(at step: Int) -> Bool { steps?.contains(step) ?? true }
  }
  private struct SiteKey: Hashable {
    let block: BlockName
    let site: Site
  }
  private struct AttentionKey: Hashable {
    let block: BlockName
    let layer: Int
    let kind: AttentionKind
    let part: AttentionPart
  }

  private var actions: [SiteKey: [Entry<Action>]] = [:]
  private var attention: [AttentionKey: [Entry<Observation>]] = [:]

  /// A set that does nothing.
  public init() {}

  /// Whether nothing is to be seen or changed.
  public var isEmpty: Bool { actions.isEmpty && attention.isEmpty }

  /// Changes what passes `site` of `block`, at the given steps or at all.
  public mutating func edit(
    _ site: Site, of block: BlockName, atSteps steps: Set<Int>? = nil, _ body: @escaping Edit
  ) {
    actions[SiteKey(block: block, site: site), default: []].append(Entry(steps: steps, body: .edit(body)))
  }

  /// Looks at what passes `site` of `block`, at the given steps or at all.
  public mutating func observe(
    _ site: Site, of block: BlockName, atSteps steps: Set<Int>? = nil, _ body: @escaping Observation
  ) {
    actions[SiteKey(block: block, site: site), default: []].append(Entry(steps: steps, body: .observe(body)))
  }

  /// Puts another update in the place of the block's own, which is then not computed.
  public mutating func replaceUpdate(
    of block: BlockName, atSteps steps: Set<Int>? = nil, _ body: @escaping Replacement
  ) {
    actions[SiteKey(block: block, site: .update), default: []]
      .append(Entry(steps: steps, body: .replace(body)))
  }

  /// Leaves the block out: `D_out = D_in`.
  public mutating func ablate(_ block: BlockName, atSteps steps: Set<Int>? = nil) {
    replaceUpdate(of: block, atSteps: steps) { _, _ in nil }
  }

  /// Looks inside the attention of one transformer layer (counted from 0) of a block.
  public mutating func observe(
    _ part: AttentionPart, of kind: AttentionKind, layer: Int, in block: BlockName,
    atSteps steps: Set<Int>? = nil, _ body: @escaping Observation
  ) {
    attention[AttentionKey(block: block, layer: layer, kind: kind, part: part), default: []]
      .append(Entry(steps: steps, body: body))
  }

  /// The blocks at which something is to be seen or changed.
  public var blocks: Set<BlockName> { Set(actions.keys.map(\.block)).union(attention.keys.map(\.block)) }

  /// The actions at a site in one step, in the order in which they were added.
  func actions(_ site: Site, of block: BlockName, step: Int) -> [Action] {
    actions[SiteKey(block: block, site: site)]?.filter { $0.acts(at: step) }.map(\.body) ?? []
  }

  /// The observers of one part of an attention in one step.
  func observers(
    _ part: AttentionPart, of kind: AttentionKind, layer: Int, in block: BlockName, step: Int
  ) -> [Observation] {
    attention[AttentionKey(block: block, layer: layer, kind: kind, part: part)]?
      .filter { $0.acts(at: step) }.map(\.body) ?? []
  }
}
