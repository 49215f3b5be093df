import SDLensCore

/// What the U-net is told of a prompt.
public struct PromptEmbeddings: Sendable {
  /// The penultimate states of both text encoders side by side, [batch, 77, context].
  public let embeddings: Tensor
  /// The pooled projection of the second, [batch, p].
  public let pooled: Tensor

  /// Pairs the two.
  public init(embeddings: Tensor, pooled: Tensor) {
    self.embeddings = embeddings
    self.pooled = pooled
  }
}
