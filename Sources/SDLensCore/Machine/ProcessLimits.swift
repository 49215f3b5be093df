import Foundation

/// What the system lets a process have of other things than memory.
package enum ProcessLimits {
  /// Refuses to begin with so little that the system's libraries would trap, or wait for ever.
  ///
  /// - Throws: `LimitTooLow`.
  package static func check() throws {
    try check(RLIMIT_NOFILE, "files that may be open at once", "ulimit -n", least: 16)
    try check(RLIMIT_STACK, "bytes of stack", "ulimit -s", least: 1 << 20)
    var thread = pthread_t()
    let code = pthread_create(&thread, nil, { _ in nil }, nil)
    guard code == 0 else {
      throw LimitTooLow(
        what: "no thread can be made", why: String(cString: strerror(code)), shown: "ulimit -u")
    }
    pthread_join(thread, nil)
  }

  private static func check(
    _ resource: __rlimit_resource, _ what: String, _ shown: String, least: rlim_t
  ) throws {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0, limit.rlim_cur < least else {
      return
    }
    throw LimitTooLow(
      what: "the number of \(what) is limited to \(limit.rlim_cur)", why: "\(least) are needed", shown: shown)
  }
}

/// A limit under which the program cannot run.
struct LimitTooLow: UserError {
  let what: String
  let why: String
  let shown: String
  /// The limit, what is needed, and how to see and raise it.
  var description: String { "\(what): \(why); raise the limit that '\(shown)' shows" }
}
