import SDLensCore
import SDLensDiffusion

/// Sums cross-attention up while a run goes on; of what is not kept apart only the sum stays in memory.
///
/// With guidance, whose batch is [negative prompt, prompt], it sees the prompt's half.
final class AttentionRecorder {
  private let choice: AttentionChoice
  private let layout: any DenoiserLayout
  private var sums: [BlockName: [Int: Sum]] = [:]

  /// `Σ softmax(q kᵀ / √d)` [queries, keys], and of how many heads.
  private struct Sum {
    var values: Tensor
    var heads = 0

    mutating func add(_ own: Tensor) {
      values.add(own)
      heads += 1
    }
  }

  init(_ choice: AttentionChoice, _ layout: any DenoiserLayout) {
    (self.choice, self.layout) = (choice, layout)
  }

  /// Adds what looks at the chosen attentions, and changes nothing.
  func watch(_ hooks: inout HookSet) {
    for block in choice.blocks(of: layout) {
      for layer in AttentionChoice.numbers(choice.layers, block.layers) {
        hooks.observe(
          .probabilities, of: .crossAttention, layer: layer, in: block.name, atSteps: choice.steps
        ) { [self] shares, step in add(shares, block.name, layer: layer, step: step) }
      }
    }
  }

  /// Takes `shares` [batch, heads, queries, keys], of which the last picture's count.
  private func add(_ shares: Tensor, _ block: BlockName, layer: Int, step: Int) {
    let (heads, queries, keys) = (shares.shape[1], shares.shape[2], shares.shape[3])
    let rows = shares.reshaped([shares.shape[0] * heads, queries * keys])
    for head in AttentionChoice.numbers(choice.heads, heads) {
      let item =
        switch choice.along {
        case nil, .blocks: 0
        case .layers: layer
        case .heads: head
        case .steps: step
        }
      let row = rows.shape[0] - heads + head
      let own = rows.rows(row..<row + 1).reshaped([queries, keys])
      sums[block, default: [:]][item, default: Sum(values: Tensor(own.shape))].add(own)
    }
  }

  /// The means of what was kept apart: for each block [queries, keys], in the order of the labels.
  func means() -> [(block: BlockName, items: [Tensor])] {
    choice.blocks(of: layout).map(\.name).map { block in
      let items = (sums[block] ?? [:]).sorted { $0.key < $1.key }
      return (block, items.map { $0.value.values.scaled(by: 1 / Float($0.value.heads)) })
    }
  }
}
