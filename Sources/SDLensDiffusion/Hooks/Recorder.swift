import SDLensCore

/// Keeps what passes chosen sites, as copies that later edits cannot reach.
public final class Recorder {
  /// One kept tensor's place and time.
  public struct Key: Hashable, Sendable {
    /// The block.
    public let block: BlockName
    /// The place in it.
    public let site: HookSet.Site
    /// The denoising step, from 0.
    public let step: Int

    /// Names what passed `site` of `block` in `step`.
    public init(_ block: BlockName, _ site: HookSet.Site, step: Int) {
      self.block = block
      self.site = site
      self.step = step
    }
  }

  /// Everything kept so far.
  public private(set) var tensors: [Key: Tensor] = [:]

  /// A recorder that has kept nothing yet.
  public init() {}

  /// Adds to `hooks` what keeps the given sites of a block, after all actions added before.
  public func record(
    _ sites: [HookSet.Site], of block: BlockName, atSteps steps: Set<Int>? = nil, in hooks: inout HookSet
  ) {
    for site in sites {
      // Tensors are values: the kept one does not change when the run's own is edited later.
      hooks.observe(site, of: block, atSteps: steps) { [self] tensor, step in
        tensors[Key(block, site, step: step)] = tensor
      }
    }
  }

  /// What was kept at one place and time.
  public subscript(_ block: BlockName, _ site: HookSet.Site, step step: Int) -> Tensor? {
    tensors[Key(block, site, step: step)]
  }
}
