import Foundation
import SDLensCore
import SDLensTestSupport
import Synchronization
import Testing

@Suite struct AtomicFolderTests {
  @Test(arguments: ["new", "new/", "empty", "link"]) func appearsWhole(name: String) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder("empty"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: "empty")
    let before = try folder.contents
    try AtomicFolder.check(folder(name))
    #expect(try folder.contents == before)
    try AtomicFolder.write(to: folder(name)) { temporary in
      try AtomicFile.write(to: temporary + "/file") { try $0.append([1, 2]) }
      #expect(!FileManager.default.fileExists(atPath: folder(name) + "/file"))
    }
    #expect(FileManager.default.contents(atPath: folder(name) + "/file") == Data([1, 2]))
    #expect(try folder.contents == (name.hasPrefix("new") ? before + ["new"] : before).sorted())
  }

  @Test(arguments: ["full", "file"]) func nothingIsOverwritten(name: String) throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "full/file")
    try folder.write([1], to: "file")
    let wanted = "'\(folder(name))' is there already and not an empty folder; choose another place"
    #expect(errorMessage { try AtomicFolder.write(to: folder(name)) { _ in } } == wanted)
    #expect(errorMessage { try AtomicFolder.check(folder(name)) } == wanted)
    #expect(try folder.contents == ["file", "full"])
  }

  @Test func behindADanglingLinkItIsMadeWhereThatPoints() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: "new")
    try AtomicFolder.write(to: folder("link")) { temporary in
      try AtomicFile.write(to: temporary + "/file") { try $0.append([1]) }
    }
    #expect(FileManager.default.contents(atPath: folder("new/file")) == Data([1]))
    #expect(try folder.contents == ["link", "new"])
  }

  @Test func allFoldersAboveAreMadeByManyAtOnce() throws {
    let folder = try TemporaryFolder()
    let problems = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 16) { _ in
      do { try AtomicFolder.makeAll(folder("a/b/c/d")) } catch { problems.withLock { $0.append("\(error)") } }
    }
    #expect(problems.withLock { $0 } == [])
    try AtomicFolder.makeAll(folder("a/b"))
    try folder.write([1], to: "file")
    #expect(
      errorMessage { try AtomicFolder.makeAll(folder("file")) }
        == "'\(folder("file"))' cannot be written: '\(folder("file"))' is a file, but a folder is needed; choose another "
        + "place")
    #expect(
      errorMessage { try AtomicFolder.makeAll(folder("file/x")) }.contains("'\(folder("file"))' is a file"))
  }

  /// The kernel's own files take no folder: what is said is why the first one cannot be made.
  @Test func whyAFolderCannotBeMadeIsThatOfTheFirst() throws {
    for path in ["/sys/sdlens", "/sys/sdlens/a/b/c"] {
      let message = errorMessage { try AtomicFolder.makeAll(path) }
      #expect(
        message.hasPrefix("'\(path)' cannot be written: ") && !message.contains("make it first"), "\(message)"
      )
    }
  }

  @Test func nothingIsLeftAfterAnError() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    #expect(throws: Stop.self) {
      try AtomicFolder.write(to: folder("new")) { temporary in
        try AtomicFile.write(to: temporary + "/file") { try $0.append([1]) }
        throw Stop()
      }
    }
    #expect(try folder.contents == [])
  }

  @Test func theParentMustExist() throws {
    let folder = try TemporaryFolder()
    #expect(
      errorMessage { try AtomicFolder.write(to: folder("a/b")) { _ in } }
        == "'\(folder("a/b"))' cannot be written: the folder '\(folder("a"))' does not exist; make it first")
  }

  /// A file of the folder that cannot be written is named where it would be.
  @Test func anErrorNamesTheFinalPlace() throws {
    let folder = try TemporaryFolder()
    let message = errorMessage {
      try AtomicFolder.write(to: folder("new")) {
        throw FileError.diskFull(path: $0 + "/file", needed: 2, free: 1)
      }
    }
    #expect(message.hasPrefix("'\(folder("new"))/file' cannot be written: it needs 2 bytes"))
  }

  /// As on a file system that cannot let two folders change places.
  @Test func foldersChangePlacesInSteps() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "results/old")
    #expect(!AtomicFolder.exchangeInSteps(folder("missing"), folder("results")))
    #expect(errno == ENOENT)
    #expect(try folder.contents == ["results"])
    #expect(FileManager.default.contents(atPath: folder("results/old")) == Data([1]))
    try folder.write([2], to: "new/file")
    #expect(AtomicFolder.exchangeInSteps(folder("new"), folder("results")))
    #expect(try folder.contents == ["new", "results"])
    #expect(FileManager.default.contents(atPath: folder("results/file")) == Data([2]))
    #expect(FileManager.default.contents(atPath: folder("new/old")) == Data([1]))
  }
}
