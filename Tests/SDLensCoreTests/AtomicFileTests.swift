import Foundation
import SDLensCore
import SDLensTestSupport
import Synchronization
import Testing

@Suite struct AtomicFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(_ bytes: [UInt8], to path: String) throws {
    try AtomicFile.write(to: path) { try $0.append(bytes) }
  }

  private func read(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func chunksFollowEachOther() throws {
    try AtomicFile.write(to: folder("x")) { file in
      try file.append([1, 2])
      try file.append([])
      try file.append([3])
    }
    #expect(try read(folder("x")) == [1, 2, 3])
    #expect(try folder.contents == ["x"])
  }

  @Test func anErrorLeavesTheOldFileAndNothingElse() throws {
    struct Stop: Error {}
    try write([1], to: folder("x"))
    #expect(throws: Stop.self) {
      try AtomicFile.write(to: folder("x")) { file in
        try file.append([2, 3])
        throw Stop()
      }
    }
    #expect(try read(folder("x")) == [1])
    #expect(try folder.contents == ["x"])
  }

  @Test func aLinkStaysALink() throws {
    try write([1], to: folder("x"))
    try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: "x")
    try write([2], to: folder("link"))
    #expect(try read(folder("x")) == [2])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder("link")) == "x")
  }

  /// What a link points to is written, if that is not there yet too.
  @Test(arguments: ["real/x", "FOLDER/real/x", "second", "FOLDER/second"])
  func aDanglingLinkStaysALink(destination: String) throws {
    try FileManager.default.createDirectory(atPath: folder("real"), withIntermediateDirectories: false)
    let destination = destination.replacingOccurrences(of: "FOLDER", with: folder.path)
    try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: destination)
    try FileManager.default.createSymbolicLink(atPath: folder("second"), withDestinationPath: "real/x")
    try AtomicFile.check(folder("link"))
    try write([2], to: folder("link"))
    #expect(try read(folder("real/x")) == [2])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder("link")) == destination)
    #expect(try folder.contents == ["link", "real", "second"])
  }

  @Test func linksThatLeadNowhereAreRefused() throws {
    for (name, destination) in [("away", "none/x"), ("loop", "pool"), ("pool", "loop")] {
      try FileManager.default.createSymbolicLink(atPath: folder(name), withDestinationPath: destination)
    }
    #expect(
      errorMessage { try write([1], to: folder("away")) }
        == "'\(folder("none/x"))' cannot be written: the folder '\(folder("none"))' does not exist; make it first"
    )
    #expect(
      errorMessage { try write([1], to: folder("loop")) }.hasSuffix(
        "cannot be written: Too many levels of symbolic links; choose another place or change its permissions"
      ))
    #expect(try folder.contents == ["away", "loop", "pool"])
  }

  @Test func ofManyThatCreateAFileOneSucceeds() throws {
    let successes = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 32) { index in
      let isNew = try? AtomicFile.create(folder("x")) { try $0.append([UInt8(index), 1, 2]) }
      if isNew == true { successes.withLock { $0 += 1 } }
    }
    #expect(successes.withLock { $0 } == 1)
    #expect(try read(folder("x")).dropFirst() == [1, 2])
    #expect(try folder.contents == ["x"])
  }

  @Test func whatCannotBeWritten() throws {
    func message(_ path: String) -> String { errorMessage { try write([1], to: path) } }
    #expect(
      message(folder("none/x"))
        == "'\(folder("none/x"))' cannot be written: the folder '\(folder("none"))' does not exist; make it first"
    )
    try write([1], to: folder("file"))
    #expect(
      message(folder("file/x"))
        == "'\(folder("file/x"))' cannot be written: '\(folder("file"))' is a file, but a folder is needed; "
        + "choose another place")
    #expect(
      message(folder.path) == "'\(folder.path)' is a folder, but a file is needed; give the path of a file")
    #expect(
      message(folder("none/"))
        == "'\(folder("none/"))' is a folder, but a file is needed; give the path of a file")
    #expect(
      message("/dev/null")
        == "'/dev/null' is a device or a pipe, but a regular file is needed; give the path of a file")
    let long = folder(String(repeating: "x", count: 300))
    #expect(
      message(long)
        == "'\(long)' cannot be written: File name too long; choose a shorter name")
    #expect(try folder.contents == ["file"])
  }

  @Test func aLimitOfFilesIsNamed() {
    #expect(
      FileError.cannotWrite(path: "x", code: EFBIG).description
        == "'x' cannot be written: File too large for 'ulimit -f' or for the file system; raise that limit or choose "
        + "another place")
  }

  @Test(.enabled(if: getuid() != 0, "root may write everywhere"))
  func aFolderWithoutPermission() throws {
    chmod(folder.path, 0o500)
    defer { chmod(folder.path, 0o700) }
    #expect(
      errorMessage { try write([1], to: folder("x")) }
        == "'\(folder("x"))' cannot be written: Permission denied; choose another place or change its permissions"
    )
  }

  @Test func aFullDiskIsNamedWithWhatIsNeeded() throws {
    // A disk of 64 KiB; where it may not be mounted, the message alone is checked.
    let disk = folder("disk")
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
    guard run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk) else {
      #expect(
        FileError.diskFull(path: "x", needed: 100_000, free: 65536).description
          == "'x' cannot be written: it needs 100000 bytes, but only 65536 are free on its disk; "
          + "make room or choose another place")
      return
    }
    defer { _ = run("umount", disk) }
    let bytes = [UInt8](repeating: 7, count: 10_000)
    let message = errorMessage {
      try AtomicFile.write(to: disk + "/x", byteCount: 100_000) { file in
        for _ in 0..<10 { try file.append(bytes) }
      }
    }
    #expect(
      message
        == "'\(disk)/x' cannot be written: it needs 100000 bytes, but only 65536 are free on its disk; "
        + "make room or choose another place")
    #expect(try FileManager.default.contentsOfDirectory(atPath: disk).isEmpty)
  }

  private func run(_ command: String...) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
