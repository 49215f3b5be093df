import SDLensCore

/// The part of a `HookSet` that concerns one block in one step.
struct BlockHooks {
  let set: HookSet
  let block: BlockName
  let step: Int

  /// Nothing for an empty set, so that a run without hooks asks no further questions.
  init?(_ set: HookSet, block: BlockName, step: Int) {
    guard !set.isEmpty else { return nil }
    self.set = set
    self.block = block
    self.step = step
  }

  /// `D_out = D_in + update(D_in)`, with what looks at the block and changes it.
  static func add(to stream: inout Tensor, _ hooks: BlockHooks?, update: (Tensor) -> Tensor) {
    // The update is formed before it is added, hooks or not: looking at a block does not change a bit.
    guard let hooks else {
      stream += update(stream)
      return
    }
    hooks.pass(.input, &stream)
    let input = stream
    if let update = hooks.update(of: input, compute: { update(input) }) { stream += update }
    hooks.pass(.output, &stream)
  }

  /// Runs the actions at the input or the output on the residual stream.
  private func pass(_ site: HookSet.Site, _ x: inout Tensor) {
    for action in set.actions(site, of: block, step: step) { run(action, on: &x, input: x) }
  }

  /// The update after all actions; `compute` runs only if its result matters.
  private func update(of input: Tensor, compute: () -> Tensor) -> Tensor? {
    var actions = set.actions(.update, of: block, step: step)[...]
    // What stands before a replacement has no effect, unless somebody looks at it.
    if let last = actions.lastIndex(where: { if case .replace = $0 { true } else { false } }),
      !actions[..<last].contains(where: { if case .observe = $0 { true } else { false } }),
      case .replace(let replacement) = actions[last]
    {
      actions = actions[(last + 1)...]
      let replaced = replacement(input, step)
      guard !actions.isEmpty || replaced != nil else { return nil }
      return run(actions, on: replaced ?? Tensor(repeating: 0, input.shape), input: input)
    }
    return run(actions, on: compute(), input: input)
  }

  /// Those who want to see a part of an attention of this block.
  func observers(
    _ part: HookSet.AttentionPart, of kind: HookSet.AttentionKind, layer: Int
  ) -> [HookSet.Observation] {
    set.observers(part, of: kind, layer: layer, in: block, step: step)
  }

  private func run(_ actions: ArraySlice<HookSet.Action>, on x: Tensor, input: Tensor) -> Tensor {
    var x = x
    for action in actions { run(action, on: &x, input: input) }
    return x
  }

  private func run(_ action: HookSet.Action, on x: inout Tensor, input: Tensor) {
    let shape = x.shape
    switch action {
    case .edit(let edit): edit(&x, step)
    case .observe(let observe): observe(x, step)
    case .replace(let replace): x = replace(input, step) ?? Tensor(repeating: 0, shape)
    }
    precondition(x.shape == shape, "a hook at \(block) turned \(shape) into \(x.shape)")
  }
}

extension HookSet {
  /// What a network does at a block: `D_out = D_in + update(D_in)` (paper, eq. 5) on the residual stream
  /// [batch, height, width, channels], with all that looks at the block or changes it.
  ///
  /// - Parameter update: called with `D_in` if its result matters.
  public func add(
    to stream: inout Tensor, at block: BlockName, step: Int, update: (Tensor) -> Tensor
  ) {
    BlockHooks.add(to: &stream, BlockHooks(self, block: block, step: step), update: update)
  }
}
