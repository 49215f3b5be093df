import SDLensCore
import SDLensTestSupport
import Testing

/// Engines agree with the plain loops of `Reference` at sizes around the edges of their pieces; `LayerTests` does more
/// for our own kernels.
@Suite struct EngineTests {
  private let engine = BLASEngine()

  private func weights(_ shape: Shape, as type: ElementType) throws -> (Tensor, Tensor, WeightScope) {
    let weight = Tensor.random(shape, seed: 1).rounded(to: type)
    let bias = Tensor.random([shape[0]], seed: 2).rounded(to: type)
    return (
      weight, bias, try temporaryWeights(["weight": weight, "bias": bias], as: type, engine: engine)
    )
  }

  @Test(
    arguments: [[1, 1, 1], [1, 5, 300], [127, 64, 255], [129, 33, 257], [300, 700, 3]], LayerTests.formats)
  func linearOnBLAS(_ size: [Int], _ type: ElementType) throws {
    let (weight, bias, scope) = try weights([size[2], size[1]], as: type)
    let x = Tensor.random([size[0], size[1]])
    let layer = try Linear(scope, inputs: size[1], outputs: size[2])
    let wanted = Reference.product(x, weight, bias: bias)
    let results = [1, 2, 5].map { withThreads($0) { layer(x) } }
    expectClose(results[0], wanted, within: 2e-6, "\(size), \(type)")
    for result in results { expectSame(result, results[0], "\(size) on other threads") }
    var sum = wanted
    layer.add(x, to: &sum)
    expectClose(sum, wanted + wanted, within: 2e-6, "\(size), \(type), added")
    let plain = try Linear(scope, inputs: size[1], outputs: size[2], bias: false)
    expectClose(plain(x), Reference.product(x, weight), within: 2e-6, "\(size), \(type), without bias")
    for result in Linear.apply([layer, layer], to: x) { expectSame(result, results[0], "together") }
  }

  @Test(arguments: [(1, 1), (3, 1), (3, 2), (4, 4)], LayerTests.formats)
  func convolutionOnBLAS(_ window: (kernel: Int, stride: Int), _ type: ElementType) throws {
    let (weight, bias, scope) = try weights([33, 17, window.kernel, window.kernel], as: type)
    let padding = window.kernel == 4 ? 0 : window.kernel / 2
    let layer = try Convolution(
      scope, inputs: 17, outputs: 33, kernel: window.kernel, stride: window.stride, padding: padding)
    let x = Tensor.random([2, 13, 10, 17])
    let wanted = Reference.convolution(x, weight, bias: bias, stride: window.stride, padding: padding)
    expectClose(layer(x), wanted, within: 3e-6, "\(window), \(type)")
    var sum = wanted
    layer.add(x, to: &sum)
    expectClose(sum, wanted + wanted, within: 3e-6, "\(window), \(type), added")
  }

  @Test(arguments: [[1, 1, 1, 1, 1], [2, 130, 33, 3, 65], [1, 257, 257, 2, 24]], [false, true])
  func attentionOnBLAS(_ size: [Int], causal: Bool) {
    let width = size[3] * size[4]
    let q = Tensor.random([size[0], size[1], width], seed: 1)
    let k = Tensor.random([size[0], size[2], width], seed: 2)
    let v = Tensor.random([size[0], size[2], width], seed: 3)
    let wanted = Reference.attention(q, k, v, heads: size[3], causal: causal)
    let layer = Attention(heads: size[3], causal: causal, engine: engine)
    var probabilities = Tensor([0])
    expectClose(layer(q, k, v), wanted.output, within: 2e-6, "\(size), causal \(causal)")
    expectClose(
      layer(q, k, v, probabilities: &probabilities), wanted.output, within: 2e-6, "\(size), observed")
    expectClose(probabilities, wanted.probabilities, within: 2e-6, "\(size), probabilities")
  }

  @Test func autoTakesOurKernelsOrWhatIsClearlyFaster() {
    func best(_ hasVectors: Bool, _ sdlens: Double, _ openblas: Double) -> EngineChoice {
      EngineChoice.best(hasVectors: hasVectors) { $0 == .sdlens ? sdlens : openblas }
    }
    #expect(best(true, 1, 100) == .sdlens)
    #expect(best(false, 1, 1.1) == .sdlens)
    #expect(best(false, 1, 1.3) == .openblas)
    #expect(EngineChoice.engines.map(\.engine.name) == ["sdlens", "openblas"])
    #expect(EngineChoice.auto.engine.name == EngineChoice.best.rawValue)
  }
}
