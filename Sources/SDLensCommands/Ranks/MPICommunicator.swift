#if MPI
  import CMPI
  import SDLensCore
  import SDLensSparse
  import Synchronization

  /// The processes of one `mpirun`; used by one thread.
  final class MPICommunicator: Communicator {
    /// All of them.
    static let world = MPICommunicator()

    let rank: Int
    let count: Int
    private let begin = ContinuousClock.now
    private let seconds = Mutex(0.0)

    private init() {
      var (rank, count): (Int32, Int32) = (0, 1)
      mpi_begin(&rank, &count)
      (self.rank, self.count) = (Int(rank), Int(count))
    }

    func gather(_ start: UnsafeMutableRawPointer, _ parts: [Range<Int>]) {
      precondition(parts.count == count && parts.last!.upperBound <= Int32.max, "\(parts)")
      let before = ContinuousClock.now
      mpi_gather(start, parts.map { Int32($0.count) }, parts.map { Int32($0.lowerBound) })
      let time = (ContinuousClock.now - before) / .seconds(1)
      seconds.withLock { $0 += time }
    }

    func wait() { mpi_wait() }

    /// How much of the time since the beginning the numbers of others took, their computing included.
    var note: String {
      let all = (ContinuousClock.now - begin) / .seconds(1)
      let share = seconds.withLock { $0 } / all
      return
        "\(count) ranks; of \(Units.rounded(all)) s of the first, \(Units.rounded(share * 100)) % were spent on "
        + "communication and waiting for others"
    }

    /// Leaves the others.
    static func end() { mpi_end() }

    /// Ends all of them.
    static func stop() { mpi_abort() }
  }
#endif
