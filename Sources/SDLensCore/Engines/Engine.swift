/// What computes the layers of a model that multiply: linear layers, convolutions and attention.
///
/// It travels with the weights: `WeightFile(folder:name:engine:)` hands it to every layer that is read from it. The
/// layers of `Layers` check all shapes once; what an engine gets is valid. Batches, channels and tokens lie as in
/// `Tensor`: channels last. Results may differ between engines in their last bits only.
public protocol Engine: Sendable {
  /// What it is called on the command line and in files.
  var name: String { get }
  /// A linear layer of weights [outputs, inputs] and, where there is one, a bias [outputs].
  func linear(_ weight: WeightMatrix, bias: Tensor?) -> any EngineLinear
  /// A convolution of weights [outputs, inputs · kernel · kernel], a window's pixels row by row innermost, and a bias
  /// [outputs].
  func convolution(_ weight: WeightMatrix, bias: Tensor, _ geometry: ConvolutionGeometry)
    -> any EngineConvolution
  /// Softmax attention of that many heads; `causal`: a token sees only itself and those before it.
  func attention(heads: Int, causal: Bool) -> any EngineAttention
}

/// A linear layer as an engine has prepared it.
public protocol EngineLinear: Sendable {
  /// `y = x Wᵀ + b`, or `y += x Wᵀ + b` if it is to accumulate: `x` [..., inputs], `y` as many rows of outputs.
  func multiply(_ x: Tensor, into y: inout Tensor, accumulate: Bool)
  /// `y_i = x W_iᵀ + b_i` for several layers of one size; unless an engine does better, one after the other.
  static func multiply(_ x: Tensor, by layers: [Self], into y: inout [Tensor])
  /// `y = z[..., :w] · gelu(z[..., w:])` of `z = x Wᵀ + b`: `y` half as many columns as outputs; unless an engine does
  /// better, one after the other.
  func multiplyGated(_ x: Tensor, into y: inout Tensor)
}

extension EngineLinear {
  /// One after the other.
  public func multiplyGated(_ x: Tensor, into y: inout Tensor) {
    var z = Tensor(uninitialized: Shape(y.shape.extents.dropLast() + [2 * y.width]))
    multiply(x, into: &z, accumulate: false)
    y = z.gatedGELU()
  }

  /// One after the other.
  public static func multiply(_ x: Tensor, by layers: [Self], into y: inout [Tensor]) {
    for index in layers.indices { layers[index].multiply(x, into: &y[index], accumulate: false) }
  }
}

/// A convolution as an engine has prepared it.
public protocol EngineConvolution: Sendable {
  /// `y = convolution(x) + b`, or `y += convolution(x) + b` if it is to accumulate:
  /// `x` [batch, height, width, inputs], `y` [batch, …, outputs] as `ConvolutionGeometry.places` has it.
  func convolve(_ x: Tensor, into y: inout Tensor, accumulate: Bool)
}

/// Attention as an engine has prepared it.
public protocol EngineAttention: Sendable {
  /// `y = softmax(q kᵀ / √d) v` for every head: `q` and `y` [batch, tokens, heads · d], `k` and `v`
  /// [batch, others, heads · d].
  ///
  /// `probabilities` is nil, or a tensor [batch, heads, tokens, others] to be filled.
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, into y: inout Tensor, probabilities: inout Tensor?)
}

/// The sizes of a convolution with square windows over pictures that are padded with zeros.
public struct ConvolutionGeometry: Sendable, Equatable {
  /// Channels of the pictures it reads.
  public let inputs: Int
  /// Channels of those it makes.
  public let outputs: Int
  /// Height and width of a window, in pixels.
  public let kernel: Int
  /// The distance between windows.
  public let stride: Int
  /// Pixels of zeros on each side.
  public let padding: Int

  /// The sizes as given.
  public init(inputs: Int, outputs: Int, kernel: Int, stride: Int, padding: Int) {
    (self.inputs, self.outputs) = (inputs, outputs)
    (self.kernel, self.stride, self.padding) = (kernel, stride, padding)
  }

  /// How many windows fit along an axis: `⌊(extent + 2 padding − kernel) / stride⌋ + 1`.
  public func places(in extent: Int) -> Int {
    precondition(extent + 2 * padding >= kernel, "\(extent) pixels under a kernel of \(kernel)")
    return (extent + 2 * padding - kernel) / stride + 1
  }

  /// Whether it is the same product at every pixel.
  var isPointwise: Bool { kernel == 1 && stride == 1 && padding == 0 }
}
