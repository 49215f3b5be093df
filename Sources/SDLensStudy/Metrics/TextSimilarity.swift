import SDLensCore

/// How well pictures go with a text, in CLIP's space (paper, Sec. 5.2).
///
/// - texture: the empty-context picture of a feature, against "texture";
/// - interpretability: its top pictures, against its caption;
/// - causality: its empty-context picture, against its caption.
public enum TextSimilarity {
  /// The word of the texture score.
  public static let texture = "texture"

  /// The mean cosine between the embeddings of pictures [pictures, width] and that of a text [1, width]; nil
  /// without pictures.
  public static func value(of pictures: Tensor, with text: Tensor) -> Double? {
    guard pictures.rows > 0 else { return nil }
    let cosines = UnitVectors(pictures).cosines(with: UnitVectors(text))
    return cosines.elements.reduce(0, +) / Double(pictures.rows)
  }
}
