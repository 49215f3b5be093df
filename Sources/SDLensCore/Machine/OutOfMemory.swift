import Foundation

/// Memory that the system does not give.
struct OutOfMemory: UserError {
  /// What was asked for, in bytes.
  let needed: Int
  /// What could be had, where that is known.
  var left: Int?

  var description: String {
    "out of memory: \(Memory.mebibytes(needed)) more were needed"
      + (left.map { ", but only \(Memory.mebibytes($0)) are left" } ?? Self.limit)
      + "; need less with a smaller --size or --batch, fewer --threads or a model with float16 weights, or raise the "
      + "limit; 'sdlens info' says what a model takes"
  }

  /// The limit of addresses, where one is set.
  private static var limit: String {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      let bytes = Int(exactly: limit.rlim_cur)
    else { return "" }
    return ", but this process may use \(Memory.mebibytes(bytes)) ('ulimit -v' shows it)"
  }

  /// Ends the program with the sentence, where no error can be thrown; half files are removed.
  func stop() -> Never {
    // Nothing here may ask for much memory.
    let text = "Error: \(self)\n"
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    AtomicFile.abandonAll { _exit(1) }
    _exit(1)
  }

  /// Ends the program if a buffer would take more than there is: on many systems it is given all the same, and whoever
  /// fills it is killed without a word.
  static func check(_ bytes: Int) {
    guard bytes >= 16 << 20, let left = Memory.limit, left < bytes else { return }
    OutOfMemory(needed: bytes, left: left).stop()
  }

  /// Ends the program if so many bytes of addresses are not to be had: OpenBLAS would try for ever.
  static func checkAddresses(_ bytes: Int) {
    let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else { OutOfMemory(needed: bytes).stop() }
    munmap(memory, bytes)
  }
}
