import Foundation
import SDLensCore

/// A reader of outside data.
struct FuzzTarget: Sendable {
  let name: String
  /// What it reads without a mistake, or nearly so.
  let seeds: [Seed]
  /// Makes what the reader needs beside its input, and returns the reader.
  let prepare: @Sendable (Scratch) throws -> (UnsafeRawBufferPointer) throws -> Void

  /// A reader of bytes.
  init(_ name: String, _ seeds: [Seed], _ read: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) {
    self.init(name, seeds) { _ in read }
  }

  /// A reader of a file of that name, by its path.
  init(
    _ name: String, _ seeds: [Seed], file: String,
    _ read: @escaping @Sendable (_ path: String, _ folder: Scratch) throws -> Void
  ) {
    self.init(name, seeds) { folder in
      { bytes in
        folder.write(bytes, to: file)
        try read(folder(file), folder)
      }
    }
  }

  /// A reader of a configuration, which is parsed in memory.
  static func config(
    _ name: String, _ seeds: [Seed], _ read: @escaping @Sendable (ConfigFile) throws -> Void
  ) -> FuzzTarget {
    FuzzTarget(name, seeds) { bytes in
      guard let text = text(bytes), case .object(let values)? = try? JSONValue(parsing: text) else { return }
      try read(ConfigFile("config.json", values))
    }
  }

  /// A reader of a folder whose other files stay as they are in a folder of the repository.
  init(
    _ name: String, _ seeds: [Seed], file: String, in original: String,
    _ read: @escaping @Sendable (_ folder: String) throws -> Void
  ) {
    self.init(name, seeds) { folder in
      try folder.copy(original)
      return { bytes in
        folder.write(bytes, to: file)
        try read(folder.path)
      }
    }
  }

  /// A reader that needs something beside its input.
  init(
    _ name: String, _ seeds: [Seed],
    prepare: @escaping @Sendable (Scratch) throws -> (UnsafeRawBufferPointer) throws -> Void
  ) {
    (self.name, self.seeds, self.prepare) = (name, seeds, prepare)
  }
}

/// A folder in memory for the files of one process.
struct Scratch: Sendable {
  let path: String

  /// A folder of this process; what is written while another is open needs a name of its own.
  init(_ name: String = "") throws {
    path = "/dev/shm/sdlens-fuzz-\(getpid())\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file anew, with as few calls as it takes: most readers are faster than Foundation writes.
  func write(_ bytes: UnsafeRawBufferPointer, to name: String) {
    let file = open(self(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    let count = Foundation.write(file, bytes.baseAddress, bytes.count)
    close(file)
    precondition(count == bytes.count, "'\(self(name))' cannot be written")
  }

  /// Takes over the files of a folder of the repository, all or those named.
  func copy(_ original: String, _ names: [String]? = nil) throws {
    for name in try names ?? FileManager.default.contentsOfDirectory(atPath: original) {
      try FileManager.default.copyItem(atPath: "\(original)/\(name)", toPath: self(name))
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// Removes the folders of processes that are no longer there: where it found something or was stopped, libFuzzer ends
  /// its process at once.
  static func sweep() throws {
    let beginning = "sdlens-fuzz-"
    for name in try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
    where name.hasPrefix(beginning) {
      guard let process = pid_t(name.dropFirst(beginning.count).prefix(while: \.isNumber)),
        kill(process, 0) != 0, errno == ESRCH
      else { continue }
      try? FileManager.default.removeItem(atPath: "/dev/shm/\(name)")
    }
  }
}

/// An input to begin with; a text stands for itself.
struct Seed: Sendable, ExpressibleByStringLiteral {
  let bytes: @Sendable () throws -> [UInt8]

  init(_ bytes: @escaping @Sendable () throws -> [UInt8]) { self.bytes = bytes }

  init(stringLiteral text: String) { self.init { Array(text.utf8) } }

  /// A file of the repository.
  static func file(_ path: String) -> Seed {
    Seed { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }
  }

  /// What is written to a path.
  static func written(_ write: @escaping @Sendable (_ path: String) throws -> Void) -> Seed {
    Seed {
      let folder = try Scratch("-seed")
      defer { folder.remove() }
      try write(folder("seed"))
      return try file(folder("seed")).bytes()
    }
  }
}

/// The files of a folder with one of these endings, by their paths.
func paths(_ folder: String, _ endings: String...) -> [String] {
  let names = (FileManager.default.enumerator(atPath: folder)?.allObjects as? [String] ?? []).sorted()
  return names.filter { name in endings.contains { name.hasSuffix($0) } }.map { "\(folder)/\($0)" }
}

/// Text, if it is that.
func text(_ bytes: UnsafeRawBufferPointer) -> String? { String(validating: bytes, as: UTF8.self) }

let coreGoldens = "Tests/SDLensCoreTests/Goldens"
let sparseGoldens = "Tests/SDLensSparseTests/Goldens"
let formats = sparseGoldens + "/formats"
let variants = sparseGoldens + "/variants"
let kinds = sparseGoldens + "/kinds"
let tiny = diffusionGoldens + "/tiny"
let diffusionGoldens = "Tests/SDLensDiffusionTests/Goldens"
let studyGoldens = "Tests/SDLensStudyTests/Goldens"
