import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// What long work will take, judged by some of its pieces.
@Suite struct WorkEstimateTests {
  @Test func allPiecesTakeTheMedianOfThoseThatWereMeasured() {
    let work = WorkEstimate.Work("record", "pictures", pieces: 100, atOnce: 4, times: [2, 80, 1])
    #expect(work.secondsEach == 0.5 && work.seconds == 50 && work.measured == 12)
    #expect(work.of(pieces: 10).seconds == 5)
    #expect(WorkEstimate.Work("record", "pictures", pieces: 0, times: []).seconds == 0)
  }

  @Test(arguments: [(1, 1), (2, 1), (4, 3)]) func theFirstCallIsLeftOutWhereThereAreOthers(
    calls: Int, counted: Int
  ) {
    var made: [Int] = []
    let work = WorkEstimate.Work.measured("x", "steps", pieces: 50, calls: calls) { call in
      made.append(call)
      if call == 0 && calls > 1 { usleep(300_000) }
    }
    #expect(made == Array(0..<calls) && work.measured == counted && work.pieces == 50)
    #expect(calls == 1 || work.secondsEach < 0.3)
  }

  @Test func whatIsToBeDoneIsSummedUp() {
    let works = [(2, 3.0), (10, 0.5)].map { WorkEstimate.Work("x", "steps", pieces: $0, times: [$1]) }
    let estimate = WorkEstimate(works, disk: 7, in: "/nowhere/at/all", memory: 1 << 50)
    #expect(estimate.seconds == 11 && estimate.disk == 7 && estimate.memory == 1 << 50)
    #expect(estimate.diskFree > 0 && estimate.memoryTotal > 0)
    #expect(WorkEstimate([], disk: 0, in: "/").memory > 1 << 20)
  }

  @Test func aScratchFolderGoesWhateverHappens() throws {
    let folder = try TemporaryFolder()
    try folder.write([], to: "x")
    struct Stopped: Error {}
    #expect(throws: Stopped.self) {
      try AtomicFolder.scratch(beside: folder("y")) { scratch in
        try folder.write([1], to: "\((scratch as NSString).lastPathComponent)/file")
        #expect(try folder.contents.count == 2)
        throw Stopped()
      }
    }
    #expect(try folder.contents == ["x"])
  }
}
