import SDLensCore
import Testing

@Suite struct TensorTests {
  @Test func aCopyDoesNotSeeLaterEdits() {
    var tensor = Tensor([1, 2, 3, 4], [2, 2])
    let copy = tensor
    tensor[3] = 9
    #expect(copy.elements == [1, 2, 3, 4])
    #expect(tensor.elements == [1, 2, 3, 9])
  }

  @Test func reshapingSharesUntilWritten() {
    let tensor = Tensor([1, 2, 3, 4, 5, 6], [2, 3])
    var other = tensor.reshaped([3, 2])
    #expect(other.rows == 3 && other.width == 2)
    other.withMutableElements { $0[0] = 7 }
    #expect(tensor[0] == 1 && other[0] == 7)
  }
}
