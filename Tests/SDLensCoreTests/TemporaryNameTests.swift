import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct FolderOfPathTests {
  @Test(arguments: [
    ("a/b", "a"), ("a/b/", "a"), ("a//b", "a"), ("/a", "/"), ("//a", "/"), ("/", "/"), ("", "."), ("a", "."),
    ("é", "."), ("a/", "."), ("./a", "."), ("../a/é", "../a"),
  ]) func folders(_ path: String, _ folder: String) { #expect(path.folderOfPath == folder) }
}

/// What is removed of what others have left half made, and what stays.
@Suite struct TemporaryNameTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The parts of the names of this process: machine, process, start.
  private func own() throws -> [String] {
    let other = try TemporaryFolder()
    var names: [String] = []
    try AtomicFile.write(to: other("x")) { _ in names = try other.contents }
    let parts = try #require(names.first).dropFirst(".sdlens-".count).split(separator: "-")
    return parts.dropLast().map(String.init)
  }

  private func name(_ machine: String, _ process: String, _ start: String) -> String {
    ".sdlens-\(machine)-\(process)-\(start)-7.tmp"
  }

  private func age(_ name: String, days: Int) {
    let then = timeval(tv_sec: time(nil) - days * 86_400, tv_usec: 0)
    utimes(folder(name), [then, then])
  }

  /// A process that has ended, and is not there even as one that nobody asked for.
  private func ended() throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    return "\(process.processIdentifier)"
  }

  private func contentsAfterWriting() throws -> Set<String> {
    try AtomicFile.write(to: folder("x")) { _ in }
    return Set(try folder.contents).subtracting(["x"])
  }

  @Test func whatAnEndedProcessOfThisMachineLeftIsRemoved() throws {
    let own = try own()
    for name in [name(own[0], try ended(), "1"), name(own[0], own[1], "1"), ".sdlens-00c0ffee.tmp"] {
      try folder.write([1, 2], to: name)
    }
    try folder.write([1], to: name(own[0], try ended(), "2") + "/state_dict.pth")
    try folder.write([1], to: ".sdlens-1badcafe.tmp/state_dict.pth")
    #expect(try contentsAfterWriting() == [])
  }

  @Test func whatIsStillWrittenStays() throws {
    let own = try own()
    let other = String(own[0].reversed())
    let names = [name(own[0], own[1], own[2]), name(other, "1", "1"), name(other, try ended(), "5")]
    for name in names { try folder.write([1], to: name) }
    try folder.write([1], to: name(other, "2", "2") + "/file")
    age(name(other, "2", "2"), days: 3)  // A folder whose file was written now.
    #expect(try contentsAfterWriting() == Set(names + [name(other, "2", "2")]))
  }

  @Test func whatAnotherMachineLeftForADayIsRemoved() throws {
    let own = try own()
    let old = name(String(own[0].reversed()), "1", "1")
    try folder.write([1], to: old)
    age(old, days: 2)
    let alive = name(own[0], own[1], own[2])
    try folder.write([1], to: alive)
    age(alive, days: 2)
    #expect(try contentsAfterWriting() == [alive])
  }

  @Test func otherNamesStay() throws {
    let names = [".sdlens-notes", "sdlens-1.tmp", ".sdlens-my-own.tmp", "a.tmp", ".sdlens-.tmpx"]
    for name in names { try folder.write([1], to: name) }
    #expect(try contentsAfterWriting() == Set(names))
  }

  @Test func aFolderSweepsWhereItIsMade() throws {
    try folder.write([1], to: ".sdlens-1badcafe.tmp/state_dict.pth")
    try AtomicFolder.write(to: folder("new")) { _ in }
    #expect(try folder.contents == ["new"])
  }

  /// A folder set aside by a process that was killed before the new one was in its place, and after.
  @Test func whatWasBeingReplacedIsNotLost() throws {
    for isReplaced in [false, true] {
      try folder.write([1], to: "a/results/old")
      try folder.write([2], to: "a/new/file")
      let old = try #require(AtomicFolder.setAside(folder("a/results")))
      let aside = URL(fileURLWithPath: old).deletingLastPathComponent().lastPathComponent
      #expect(try Set(FileManager.default.contentsOfDirectory(atPath: folder("a"))) == [aside, "new"])
      let dead = aside.replacing("-\(getpid())-", with: "-\(try ended())-")
      #expect(rename(folder("a/\(aside)"), folder("a/\(dead)")) == 0)
      // As the writer would have left it: under a temporary name, or already in its place.
      let new = isReplaced ? "results" : name(try own()[0], try ended(), "1")
      #expect(rename(folder("a/new"), folder("a/\(new)")) == 0)
      // Another process looks through it for the first time.
      let place = "b\(isReplaced)"
      #expect(rename(folder("a"), folder(place)) == 0)
      try AtomicFolder.check(folder("\(place)/other"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder(place)) == ["results"])
      let files = try FileManager.default.contentsOfDirectory(atPath: folder("\(place)/results"))
      #expect(files == [isReplaced ? "file" : "old"])
    }
  }
}
