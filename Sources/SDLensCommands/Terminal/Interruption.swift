import ArgumentParser
import Dispatch
import Foundation
import SDLensCore
import Synchronization

/// A command of which what is done stays when it is stopped: the same command goes on with the rest.
public protocol ResumableCommand: ParsableCommand {}

/// What happens when somebody stops the program: half files are removed, then it ends as the signal wants.
enum Interruption {
  /// What is said to the person who stops the program, where the work done so far is not lost.
  private static let farewell = Mutex<String?>(nil)

  /// Takes note of the command that runs now.
  static func running(_ command: any ParsableCommand) {
    guard command is any ResumableCommand else { return }
    farewell.withLock { $0 = "Stopped; what is done is kept, and the same command goes on with the rest" }
  }

  // Used once, before there is a second thread; kept because a source that is let go listens no more.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []

  /// Listens for Ctrl-C, `kill` and a closed terminal.
  static func prepare() {
    // A file beyond `ulimit -f` becomes an error of the write instead.
    signal(SIGXFSZ, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] where !wasIgnored(number) {
      let queue = DispatchQueue(label: "interruption")
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        AtomicFile.abandonAll {
          if isatty(STDERR_FILENO) == 1, let text = farewell.withLock({ $0 }) {
            try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(text)\n".utf8))
          }
          die(of: number)
        }
      }
      source.resume()
      sources.append(source)
    }
  }

  /// Ends the program by a signal, so that a shell sees what happened.
  private static func die(of number: Int32) -> Never {
    signal(number, SIG_DFL)
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, number)
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
    raise(number)
    exit(128 + number)
  }

  /// Ignores a signal, which then only the source sees; `nohup` and `&` may have done so before.
  private static func wasIgnored(_ number: Int32) -> Bool {
    unsafeBitCast(signal(number, SIG_IGN), to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
