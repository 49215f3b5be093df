import SDLensCore
import SDLensTestSupport
import Testing

/// Rounding to 16 and 8 bits, as PyTorch does it.
@Suite struct NarrowFloatTests {
  private let goldens: Safetensors

  init() throws { goldens = try Goldens().tensors("narrow-floats.safetensors") }

  /// Expects an item to have the bytes of a golden, `size` of them for each number.
  private func expect(
    _ item: Safetensors.Item, equals name: String, of x: Tensor, size: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let wanted = try goldens.bytes(name)
    try item.withBytes { found in
      #expect(found.count == wanted.count && found.count == x.count * size, sourceLocation: sourceLocation)
      let place = zip(found, wanted).enumerated().first { $0.element.0 != $0.element.1 }?.offset
      #expect(
        place == nil,
        "of \(x[(place ?? 0) / size]): \(found[place ?? 0]), but PyTorch has \(wanted[place ?? 0])",
        sourceLocation: sourceLocation)
    }
  }

  // x.to(torch.float8_e4m3fn)
  @Test func eightBits() throws {
    let x = try goldens.tensor("x")
    let ones = [Float](repeating: 1, count: x.count)
    try expect(
      .init(eightBits: x.reshaped([x.count, 1]), scales: ones, "x"), equals: "x.e4m3", of: x, size: 1)
  }

  // x.bfloat16()
  @Test(arguments: ["x", "far"]) func bfloats(name: String) throws {
    let x = try goldens.tensor(name)
    try expect(.init(bfloat: x, "x"), equals: "\(name).bf16", of: x, size: 2)
  }

  // rows / scale, (…).float() * scale
  @Test func everyRowHasItsScale() throws {
    let rows = try goldens.tensor("rows")
    let scales = try NarrowFloats.scales(rows, "rows")
    #expect(scales == (try goldens.tensor("rows.scale").elements))
    let item = Safetensors.Item(eightBits: rows, scales: scales, "rows")
    try expect(item, equals: "rows.e4m3", of: rows, size: 1)
    var read = Tensor(uninitialized: rows.shape)
    try item.withBytes { bytes in
      read.withMutableElements { item.type.convert(bytes.baseAddress!, rows.count, to: $0.baseAddress!) }
    }
    let scaled = Tensor(
      read.elements.enumerated().map { $0.element * scales[$0.offset / rows.width] }, rows.shape)
    expectSame(scaled, try goldens.tensor("rows.read"), "read")
  }

  @Test func whatDoesNotFitIsNamed() throws {
    for (value, text) in [(Float.nan, "nan"), (-.infinity, "-inf"), (3.4e38, "3.4e+38")] {
      let x = Tensor([1, 2, 3, value, 5, 6], [2, 3])
      #expect(
        errorMessage { _ = try Safetensors.Item(bfloat: x, "x") }
          == "'x' holds \(text) at position 3, beyond the largest bfloat16 number 3.3895314e+38; store it as float32"
      )
      guard !value.isFinite else { continue }
      #expect(
        errorMessage { _ = try NarrowFloats.scales(x, "x") }
          == "'x' holds \(text) at position 3, beyond the largest float32 number 3.4028235e+38; store it as float32"
      )
    }
  }
}
