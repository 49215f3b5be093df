import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct PoolingTests {
  @Test(arguments: [(3, 2, 9, 12), (2, 2, 7, 6), (3, 1, 3, 5), (1, 3, 4, 4)])
  func everyWindowGivesItsLargest(_ window: Int, _ stride: Int, _ height: Int, _ width: Int) {
    let x = Tensor.random([2, height, width, 19], seed: window, plus: -1)
    let (tall, wide) = ((height - window) / stride + 1, (width - window) / stride + 1)
    var wanted: [Float] = []
    for (picture, v) in (0..<2 * tall).map({ ($0 / tall, $0 % tall) }) {
      for (u, c) in (0..<wide * 19).map({ ($0 / 19, $0 % 19) }) {
        let values = (0..<window * window).map { place in
          let (row, column) = (v * stride + place / window, u * stride + place % window)
          return x[((picture * height + row) * width + column) * 19 + c]
        }
        wanted.append(values.max() ?? .nan)
      }
    }
    let pooling = MaxPooling(window: window, stride: stride)
    for threads in [1, 3] {
      expectSame(
        withThreads(threads) { pooling(x) }, Tensor(wanted, [2, tall, wide, 19]), "\(window)/\(stride)")
    }
  }

  // The first two of AlexNet, the patches of a vision transformer, and what uses none of the fast ways.
  @Test(arguments: [(11, 4, 2, 40, 37), (5, 1, 2, 9, 8), (4, 4, 0, 17, 12), (3, 1, 0, 8, 9), (1, 1, 1, 4, 5)])
  func convolutionsTakeAnyPadding(_ kernel: Int, _ stride: Int, _ padding: Int, _ height: Int, _ width: Int)
    throws
  {
    let weight = Tensor.random([18, 17, kernel, kernel], seed: kernel)
    let bias = Tensor.random([18])
    let x = Tensor.random([2, height, width, 17], seed: 3)
    for hasBias in [true, false] {
      let w = try temporaryWeights(hasBias ? ["weight": weight, "bias": bias] : ["weight": weight])
      let convolution = try Convolution(
        w, inputs: 17, outputs: 18, kernel: kernel, stride: stride, padding: padding, bias: hasBias)
      expectClose(
        convolution(x),
        Reference.convolution(
          x, weight, bias: hasBias ? bias : Tensor(repeating: 0, [18]), stride: stride, padding: padding),
        within: 1e-5, "kernel \(kernel), padding \(padding)")
    }
  }
}
