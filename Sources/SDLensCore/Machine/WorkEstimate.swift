/// What long work will take, judged by a few of its pieces that were measured: time, disk and memory.
public struct WorkEstimate: Encodable, Sendable {
  /// Pieces of one kind.
  public struct Work: Encodable, Sendable {
    /// What is done, as in `record`.
    public let name: String
    /// What a piece is, in the plural.
    public let unit: String
    /// Those that there are to do.
    public let pieces: Int
    /// Those that were measured.
    public let measured: Int
    /// The median of the measured ones.
    public let secondsEach: Double
    /// Of all pieces.
    public let seconds: Double

    /// Judges all pieces by the times of some.
    ///
    /// - Parameters:
    ///   - times: seconds of calls, of which each did `atOnce` pieces; at least one, unless there is nothing to do.
    public init(_ name: String, _ unit: String, pieces: Int, atOnce: Int = 1, times: [Double]) {
      precondition(!times.isEmpty || pieces == 0, "nothing of '\(name)' was measured")
      (self.name, self.unit, self.pieces) = (name, unit, pieces)
      measured = times.count * atOnce
      secondsEach = times.isEmpty ? 0 : times.sorted()[times.count / 2] / Double(atOnce)
      seconds = secondsEach * Double(pieces)
    }

    /// The same of another number of pieces.
    public func of(pieces: Int) -> Work { Work(self, pieces: pieces) }

    private init(_ other: Work, pieces: Int) {
      (name, unit, measured, secondsEach) = (other.name, other.unit, other.measured, other.secondsEach)
      self.pieces = pieces
      seconds = secondsEach * Double(pieces)
    }

    /// Measures some calls, of which each does `atOnce` pieces, and judges all pieces by them.
    ///
    /// The first call is left out where there are others: it reads what they find in memory. After a minute there are
    /// no more.
    ///
    /// - Parameter calls: at most so many, at least 1.
    public static func measured(
      _ name: String, _ unit: String, pieces: Int, atOnce: Int = 1, calls: Int = 4,
      _ body: (_ call: Int) throws -> Void
    ) rethrows -> Work {
      var times: [Double] = []
      let begin = ContinuousClock.now
      for call in 0..<calls where call < 2 || ContinuousClock.now - begin < .seconds(60) {
        let start = ContinuousClock.now
        try body(call)
        times.append((ContinuousClock.now - start) / .seconds(1))
      }
      return Work(
        name, unit, pieces: pieces, atOnce: atOnce, times: Array(times.dropFirst(times.count > 1 ? 1 : 0)))
    }
  }

  /// What there is to do, one after the other.
  public let works: [Work]
  /// Seconds of all of it, on this machine as it is now.
  public let seconds: Double
  /// Bytes that will be written and stay.
  public let disk: Int
  /// Bytes that are free where they go.
  public let diskFree: Int
  /// The most bytes of memory held at one time.
  public let memory: Int
  /// The memory of this machine, or of the container around this process.
  public let memoryTotal: Int

  /// Sums up.
  ///
  /// - Parameters:
  ///   - folder: where the results go; it need not be there.
  ///   - memory: in bytes, where it is more than this process has held so far.
  public init(_ works: [Work], disk: Int, in folder: String, memory: Int = 0) {
    (self.works, self.disk) = (works, disk)
    seconds = works.reduce(0) { $0 + $1.seconds }
    diskFree = Disk.free(at: folder)
    self.memory = max(memory, Memory.peak)
    memoryTotal = Memory.total
  }
}
