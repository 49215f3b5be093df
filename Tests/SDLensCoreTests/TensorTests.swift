import SDLensCore
import Testing

@Suite struct TensorTests {
  @Test func nothingIsTurnedRound() {
    #expect(Tensor([1, 128, 0, 4]).channelsLast().shape == [1, 0, 4, 128])
    #expect(Tensor([0, 2, 2, 3]).channelsFirst().shape == [0, 3, 2, 2])
    #expect(Tensor([2, 0, 2, 3]).channelsLast().shape == [2, 2, 3, 0])
  }

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
