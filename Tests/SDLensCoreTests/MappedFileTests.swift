import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct MappedFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func message(_ path: String) -> String { errorMessage { try MappedFile(path: path) } }

  @Test func whatIsNotAFileIsRefused() throws {
    #expect(message(folder("none")) == "'\(folder("none"))' does not exist; check the path")
    #expect(
      message(folder.path) == "'\(folder.path)' is a folder, but a file is needed; give the path of a file")
    #expect(
      message("/dev/null")
        == "'/dev/null' is a device or a pipe, but a regular file is needed; give the path of a file")
    #expect(message("") == "'' does not exist; check the path")
  }

  @Test func aPipeIsRefusedWithoutWaitingForAWriter() throws {
    try #require(mkfifo(folder("pipe"), 0o600) == 0)
    #expect(
      message(folder("pipe"))
        == "'\(folder("pipe"))' is a device or a pipe, but a regular file is needed; give the path of a file")
  }

  @Test func aLoopOfLinksCannotBeRead() throws {
    try FileManager.default.createSymbolicLink(atPath: folder("loop"), withDestinationPath: folder("loop"))
    #expect(
      message(folder("loop"))
        == "'\(folder("loop"))' cannot be read: Too many levels of symbolic links; "
        + "check the path and its permissions")
  }

  @Test func textIsUTF8OrNone() throws {
    let text = try MappedFile(path: folder.write("é\0".utf8, to: "x"))
    #expect(text.text == "é\0")
    #expect(text.count == 3)
    #expect(text.withBytes(Array.init) == [0xC3, 0xA9, 0])
    #expect(try MappedFile(path: folder.write([0xFF, 0x41], to: "y")).text == nil)
  }

  @Test func anEmptyFileIsRefused() throws {
    let path = try folder.write([], to: "empty")
    #expect(message(path) == "'\(path)' is empty (0 bytes); download or write it again")
  }

  @Test func aGitPointerSaysHowToFetchTheFile() throws {
    let text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5135149760\n"
    let path = try folder.write(text.utf8, to: "x.safetensors")
    #expect(
      message(path)
        == "'\(path)' is a Git LFS pointer, not the file itself; "
        + "run 'git lfs install && git lfs pull' in its folder")
  }
}
