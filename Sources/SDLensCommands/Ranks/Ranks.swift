import Foundation
import SDLensCore
import SDLensSparse

/// The processes that were started together to train.
enum Ranks {
  /// Those of this run of `mpirun`, or this process alone.
  ///
  /// - Throws: `BuiltWithoutMPI` when there are others that this program cannot speak to.
  static func ofThisRun(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> any Communicator {
    // As Open MPI, the launchers of MPICH and Slurm's for either tell.
    let count = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].lazy.compactMap { environment[$0] }.first
    #if MPI
      if count != nil || environment["PMIX_RANK"] != nil { return MPICommunicator.world }
    #else
      if let count, count != "1" { throw BuiltWithoutMPI(count: count) }
    #endif
    return Alone()
  }

  /// Leaves the others, when all is done.
  static func end(_ ranks: any Communicator) {
    #if MPI
      if ranks is MPICommunicator { MPICommunicator.end() }
    #endif
  }

  /// Says what went wrong, and ends all processes.
  static func stop(_ ranks: any Communicator, for error: any Error) -> Never {
    // What is wrong for all is said once, by the first, before the others come to say it.
    // (A signal, as that at which they are to end, cuts a sleep short.)
    let end = ContinuousClock.now + .seconds(5)
    while ranks.rank > 0, ContinuousClock.now < end { sleep(1) }
    let who = ranks.rank > 0 ? "rank \(ranks.rank) of \(ranks.count): " : ""
    Output.printError("Error: \(who)\(SystemProblem.explained(error))")
    #if MPI
      MPICommunicator.stop()
    #endif
    Foundation.exit(1)
  }

  /// How the time was spent so far; nil for a process alone.
  static func note(_ ranks: any Communicator) -> String? {
    #if MPI
      return (ranks as? MPICommunicator)?.note
    #else
      return nil
    #endif
  }
}

/// A program that does not know MPI, under `mpirun`.
struct BuiltWithoutMPI: UserError {
  let count: String
  var description: String {
    "\(count) processes were started together, but this sdlens was built without MPI, so that each would train for itself; "
      + "build it with 'swift build -c release --traits MPI', or start one"
  }
}

/// What several processes would all do alike.
struct NotShared: UserError {
  let option: String
  let ranks: Int
  var description: String {
    "\(option) is not shared out among processes, but \(ranks) were started; leave it out, or run one process"
  }
}
