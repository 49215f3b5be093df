import SDLensCore
import SDLensDiffusion

/// The image encoder of CLIP: a vision transformer (transformers: CLIPVisionModelWithProjection).
struct VisionEncoder: Sendable {
  /// Height and width of its pictures.
  let pictureSize: Int
  private let patches: Convolution
  private let classEmbedding: Tensor
  private let positionEmbedding: Tensor
  private let preNorm: LayerNorm
  private let layers: [CLIPLayer]
  private let postNorm: LayerNorm
  private let projection: Linear

  /// Reads `vision_model` and `visual_projection` of a CLIPModel.
  ///
  /// - Throws: `WeightError`, and the errors of `ConfigFile`.
  init(_ root: WeightScope, _ config: ConfigFile, projectionWidth: Int) throws {
    try config.require("model_type", "clip_vision_model")
    try config.require("num_channels", 3)
    let width = try config.int("hidden_size", default: 768)
    let innerWidth = try config.int("intermediate_size", default: 3072)
    let depth = try config.int("num_hidden_layers", in: 1...1000, default: 12)
    let heads = try config.int("num_attention_heads", default: 12)
    let epsilon = Float(try config.double("layer_norm_eps", in: 0...1, default: 1e-5))
    let activation = try config.clipActivation()
    let pictureSize = try config.int("image_size", in: 1...1 << 13, default: 224)
    let patch = try config.int("patch_size", in: 1...pictureSize, default: 32)
    try config.checkHeads(heads, divide: width)
    self.pictureSize = pictureSize

    let w = root["vision_model"]
    let across = pictureSize / patch
    classEmbedding = try w["embeddings"].tensor("class_embedding", [width])
    patches = try Convolution(
      w["embeddings"]["patch_embedding"], inputs: 3, outputs: width, kernel: patch, stride: patch, padding: 0,
      bias: false)
    positionEmbedding = try w["embeddings"]["position_embedding"].tensor(
      "weight", [across * across + 1, width])
    // So spelt in every file.
    preNorm = try LayerNorm(w["pre_layrnorm"], width: width, epsilon: epsilon)
    layers = try (0..<depth).map {
      try CLIPLayer(
        w["encoder"]["layers"][$0], width: width, innerWidth: innerWidth, heads: heads, epsilon: epsilon,
        activation: activation, causal: false)
    }
    postNorm = try LayerNorm(w["post_layernorm"], width: width, epsilon: epsilon)
    projection = try Linear(
      root["visual_projection"], inputs: width, outputs: projectionWidth, bias: false)
  }

  /// Preprocessed pictures [batch, size, size, 3] → [batch, projection].
  func callAsFunction(_ pictures: Tensor) -> Tensor {
    var x = preNorm(tokens(of: pictures))
    for layer in layers { layer(&x) }
    return projection(postNorm(x.firstTokens()))
  }

  /// The class token and the patches, each with its position, [batch, 1 + patches, width].
  private func tokens(of pictures: Tensor) -> Tensor {
    let (batch, width) = (pictures.shape[0], classEmbedding.count)
    let tokens = positionEmbedding.count / width
    let embedded = patches(pictures)
    var x = Tensor(uninitialized: [batch, tokens, width])
    x.withMutableElements { x in
      positionEmbedding.withElements { positions in
        embedded.withElements { embedded in
          for picture in 0..<batch {
            let start = picture * tokens * width
            for place in 0..<tokens * width {
              let content =
                place < width
                ? classEmbedding[place] : embedded[(picture * (tokens - 1) - 1) * width + place]
              x[start + place] = content + positions[place]
            }
          }
        }
      }
    }
    return x
  }
}

extension Tensor {
  /// [batch, tokens, width] → the first token of each, [batch, width].
  fileprivate func firstTokens() -> Tensor {
    let (batch, size) = (shape[0], shape[1] * width)
    return withElements { x in
      Tensor((0..<batch).flatMap { Array(x[$0 * size..<$0 * size + width]) }, [batch, width])
    }
  }
}
