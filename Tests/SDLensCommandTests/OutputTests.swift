import Foundation
import SDLensTestSupport
import Testing

/// Where the files go, and what is left when they cannot.
@Suite struct OutputTests {
  @Test(arguments: ["--output", "--tensors"]) func theFolderMustExist(option: String) throws {
    let folder = try TemporaryFolder()
    let file = "missing/file." + (option == "--output" ? "png" : "safetensors")
    let outcome = try Command.generate(option, file, in: folder)
    #expect(
      outcome.err
        == "Error: '\(file)' cannot be written: the folder 'missing' does not exist; make it first\n")
    #expect(outcome.status == 1)
    #expect(try folder.contents == [])
  }

  @Test func aFileIsNoFolder() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "file")
    let outcome = try Command.generate("--output", "file/picture.png", in: folder)
    #expect(
      outcome.err
        == "Error: 'file/picture.png' cannot be written: 'file' is a file, but a folder is needed; choose "
        + "another place\n")
    #expect(outcome.status == 1)
  }

  @Test func aFolderIsNoFile() throws {
    let folder = try TemporaryFolder()
    try folder.write([], to: "picture-43.png/.nothing")
    let outcome = try Command.generate("--count", "2", "--output", "picture.png", in: folder)
    #expect(
      outcome.err
        == "Error: 'picture-43.png' is a folder, but a file is needed; give the path of a file\n")
    #expect(outcome.status == 1)
    #expect(try folder.contents == ["picture-43.png"])
  }

  /// Even root cannot make files in /proc.
  @Test func theFolderMustBeWritable() throws {
    let outcome = try Command.generate("--output", "/proc/picture.png", in: TemporaryFolder())
    #expect(outcome.err.hasPrefix("Error: '/proc/picture.png' cannot be written: "))
    #expect(outcome.status == 1)
  }

  /// The first write beyond the limit fails in the middle of a file, as on a full disk.
  @Test func noHalfFileIsLeftAtTheLimitOfASize() throws {
    let folder = try TemporaryFolder()
    let old = try folder.write("old".utf8, to: "picture.png")
    let outcome = try shell("ulimit -f 2; exec \(generate) --output picture.png", in: folder)
    #expect(
      outcome.err
        == "Error: 'FOLDER/picture.png' cannot be written: File too large for 'ulimit -f' or for the "
        + "file system; raise that limit or choose another place\n")
    #expect(outcome.status == 1)
    #expect(try folder.contents == ["picture.png"])
    #expect(try String(contentsOfFile: old, encoding: .utf8) == "old")
  }

  /// A real full disk, of 8 kB; needs the right to mount one, which a container may not have.
  @Test(.enabled(if: canMount)) func noHalfFileIsLeftOnAFullDisk() throws {
    let folder = try TemporaryFolder()
    try folder.write([], to: "disk/.nothing")
    let outcome = try shell(
      "\(mount(kilobytes: 8)) && cd disk && { \(generate); code=$?; ls -A; exit $code; }", in: folder)
    #expect(outcome.err.hasPrefix("Error: 'picture.png' cannot be written: it needs "))
    #expect(outcome.err.hasSuffix(" are free on its disk; make room or choose another place\n"))
    #expect(outcome.status == 1)
    #expect(outcome.out == "")
  }

  @Test func nothingIsLeftWhenSomebodyStopsIt() throws {
    let folder = try TemporaryFolder()
    // SIGINT, as Ctrl-C sends it, after a second; one that does not die of it is killed.
    let outcome = try shell(
      "timeout --signal INT --kill-after 60 --preserve-status 1 \(generate) --count 100000", in: folder)
    #expect(outcome.status == 128 + SIGINT)
    let half = try folder.contents.filter { !$0.hasPrefix("picture-") }
    #expect(half == [])
  }

  private var generate: String {
    "'\(Command.program)' generate --prompt x --quiet --model '\(Command.tinyModel)'"
  }
}
