import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct WeightMatrixTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A matrix of the numbers 0, 1, 2, … in a file.
  private func matrix(
    _ type: ElementType, _ shape: Shape, padding: Int = 0
  ) throws -> WeightMatrix {
    let numbers = (0..<shape.count).map { Float($0) }
    let data =
      switch type {
      case .f16: bytes(of: numbers.map { Float16($0).bitPattern })
      case .bf16: bytes(of: numbers.map { UInt16($0.bitPattern >> 16) })
      default: bytes(of: numbers)
      }
    let header =
      #"{"w":{"dtype":"\#(type.rawValue)","shape":\#(shape),"data_offsets":[0,\#(data.count)]}}"#
    let aligned = header + String(repeating: " ", count: -header.utf8.count & 7 + padding)
    try folder.write(safetensorsBytes(aligned, data: data), to: "model.safetensors")
    return try WeightFile(folder: folder.path, name: "model").root.matrix("w", shape)
  }

  @Test(arguments: [ElementType.f32, .f16, .bf16], [0, 1, 2])
  func rowsAreHandedOutAsFloat32(type: ElementType, padding: Int) throws {
    let matrix = try matrix(type, [4, 2, 3], padding: padding)
    #expect(matrix.rows == 4 && matrix.columns == 6 && matrix.type == type)
    for range in [0..<4, 1..<3, 3..<4, 2..<2] {
      let rows = matrix.withRows(range) { Array(UnsafeBufferPointer(start: $0, count: range.count * 6)) }
      #expect(rows == (range.lowerBound * 6..<range.upperBound * 6).map { Float($0) })
    }
    #expect(matrix.tensor().shape == [4, 6])
    #expect(matrix.tensor().elements == (0..<24).map { Float($0) })
  }

  @Test func float32IsNotCopied() throws {
    let matrix = try matrix(.f32, [4, 6])
    let (first, again) = (matrix.withRows(0..<4) { $0 }, matrix.withRows(2..<3) { $0 })
    #expect(again == first + 12)
  }

  @Test func aMatrixInMemory() {
    let matrix = WeightMatrix(Tensor([1, 2, 3, 4, 5, 6], [3, 1, 2]))
    #expect(matrix.rows == 3 && matrix.columns == 2 && matrix.type == .f32)
    #expect(matrix.withRows(1..<3) { [$0[0], $0[3]] } == [3, 6])
    #expect(matrix.tensor().shape == [3, 2])
  }
}
