import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// Activations as sdxl-unbox collects them: `Scripts/goldens/sparse_formats.py`.
@Suite struct UnboxActivationsTests {
  private let goldens = Goldens()
  private static let block = "unet.down_blocks.2.attentions.1"

  @Test func samplesAreReadInOrder() throws {
    let activations = try UnboxActivations(goldens("formats/activations"))
    #expect(activations.blocks == [Self.block])
    let samples = try activations.samples(of: Self.block)
    let wanted = try goldens.tensors("formats.safetensors")
    for number in [0, 17] {
      let sample = try #require(try samples.next())
      #expect(sample.batch.number == number)
      #expect(sample.batch.prompts == ["picture \(number)", "a café"])
      expectSame(sample.update, try wanted.tensor("activations.\(number)"), "update")
    }
    #expect(try samples.next() == nil)
    #expect(try samples.next() == nil)
  }

  @Test func samplesAreSkipped() throws {
    let samples = try UnboxActivations(goldens("formats/activations")).samples(of: Self.block)
    #expect(try samples.skip()?.prompts == ["picture 0", "a café"])
    #expect(try samples.next()?.batch.number == 17)
    #expect(try samples.skip() == nil)
  }

  @Test func blocksByLaterNames() throws {
    let folder = try TemporaryFolder()
    for name in ["down_2_1.tar", "mid_0.tar", "images.tar", "note.txt"] { try folder.write([1], to: name) }
    let activations = try UnboxActivations(folder.path)
    #expect(activations.blocks == ["down.2.1", "mid.0"])
    #expect(
      errorMessage { try activations.samples(of: "up.0.0") }
        == "'\(folder.path)' has no block 'up.0.0'; there are down.2.1, mid.0")
    #expect(errorMessage { try activations.samples(of: "mid.0") }.contains("is not a whole tar file"))
  }

  @Test func aFolderWithoutTarsIsRefused() throws {
    let folder = try TemporaryFolder()
    #expect(errorMessage { try UnboxActivations(folder.path) }.contains("has no activations of sdxl-unbox"))
    #expect(errorMessage { try UnboxActivations(folder("x")) }.contains("does not exist"))
    let file = try folder.write([1], to: "file")
    #expect(errorMessage { try UnboxActivations(file) }.contains("is a file, but a folder"))
  }

  /// Cut in the middle of the second sample: the first is read, then there is an error.
  @Test func aCutTarIsNamed() throws {
    let folder = try TemporaryFolder()
    let whole = try Data(contentsOf: URL(fileURLWithPath: goldens("formats/activations/\(Self.block).tar")))
    try folder.write(whole.prefix(9000), to: Self.block + ".tar")
    let samples = try UnboxActivations(folder.path).samples(of: Self.block)
    let message = errorMessage { while try samples.next() != nil {} }
    #expect(message.contains("is not a whole tar file") || message.contains("has no 'sample_"), "\(message)")
  }
}
