import Foundation

/// The standard streams.
enum Descriptors {
  /// Opens those that are closed, as daemons and schedulers may leave them, so that no file of ours gets their number
  /// and with it what is said to people.
  ///
  /// Each is opened the wrong way round: reading or writing it still fails, as it would have.
  static func hold() {
    for (descriptor, mode) in [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY),
    ]
    where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is this one, since those below are open by now.
      _ = open("/dev/null", mode)
    }
  }
}
