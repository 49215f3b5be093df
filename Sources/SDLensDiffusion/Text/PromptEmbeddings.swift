import SDLensCore

/// What the U-net is told of a prompt.
public struct PromptEmbeddings: Sendable {
  /// The penultimate states of both text encoders side by side, or the last states of the only one, [batch, 77, context].
  public let embeddings: Tensor
  /// The pooled projection of the second, [batch, p]; [batch, 0] without a second.
  public let pooled: Tensor

  /// Pairs the two.
  public init(embeddings: Tensor, pooled: Tensor) {
    self.embeddings = embeddings
    self.pooled = pooled
  }
}
