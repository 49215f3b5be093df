import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct TrainingLogTests {
  private func report(_ step: Int, _ dictionary: Int) -> StepReport {
    let text = """
      {"dictionary": \(dictionary), "step": \(step), "vectors": \(step * 10), "learningRate": 1e-4, "loss": 1.1,
      "mse": 0.2, "auxiliary": 0.3, "explainedVariance": 0.5, "l0": 3, "dead": 1, "idle1e4": 2, "idle1e6": 1,
      "idle1e7": 0, "gradientNorm": 0.25}
      """
    return try! JSONDecoder().decode(StepReport.self, from: Data(text.utf8))
  }

  private func reports(_ steps: ClosedRange<Int>) -> [StepReport] {
    steps.flatMap { [report($0, 0), report($0, 1)] }
  }

  @Test func noLineIsDoubledOnResuming() throws {
    let folder = try TemporaryFolder()
    let path = folder("log.jsonl")
    do {
      let log = try TrainingLog(path: path, keepingUpTo: 0)
      for step in 1...7 { try log.append(reports(step...step)) }
    }
    #expect(try TrainingLog.reports(in: path) == reports(1...7))
    let whole = FileManager.default.contents(atPath: path)!
    // A process that died while it wrote line 15.
    try (whole + Data(#"{"step":8,"lo"#.utf8)).write(to: URL(fileURLWithPath: path))
    do {
      let log = try TrainingLog(path: path, keepingUpTo: 4)
      #expect(try TrainingLog.reports(in: path) == reports(1...4))
      try log.append(reports(5...7))
    }
    #expect(FileManager.default.contents(atPath: path) == whole)
    _ = try TrainingLog(path: path, keepingUpTo: 0)
    #expect(FileManager.default.contents(atPath: path) == Data())
  }

  /// Two processes that train the same from the beginning, the second some steps later; either may end first, or die.
  @Test func twoAtOnceWriteTheSameLines() throws {
    let folder = try TemporaryFolder()
    let path = folder("log.jsonl")
    let first = try TrainingLog(path: path, keepingUpTo: 0)
    try first.append(reports(1...3))
    let second = try TrainingLog(path: path, keepingUpTo: 0)
    try second.append(reports(1...1))
    try first.append(reports(4...5))
    // Between the lines of both lies what the second has not written.
    #expect(FileManager.default.contents(atPath: path)!.contains(0))
    try first.save()
    #expect(try TrainingLog.reports(in: path) == reports(1...5))
    try second.append(reports(2...5))
    try second.save()
    #expect(try TrainingLog.reports(in: path) == reports(1...5))
  }

  @Test func whatIsLeftOfTwoIsCutToItsWholeLines() throws {
    let folder = try TemporaryFolder()
    let path = folder("log.jsonl")
    let first = try TrainingLog(path: path, keepingUpTo: 0)
    try first.append(reports(1...4))
    let second = try TrainingLog(path: path, keepingUpTo: 2)
    try first.append(reports(5...6))
    try second.append([report(3, 0)])
    _ = try TrainingLog(path: path, keepingUpTo: 6)
    #expect(try TrainingLog.reports(in: path) == reports(1...2) + [report(3, 0)])
  }

  @Test func refusals() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Array("{\"step\": 1}\nsomething else\n".utf8), to: "log")
    #expect(
      errorMessage { try TrainingLog(path: path, keepingUpTo: 3) }
        == "'\(path)' is not a log of training: line 2 is no report")
    #expect(FileManager.default.contents(atPath: path)?.count == 27)
    #expect(
      errorMessage { try TrainingLog(path: folder("none/log"), keepingUpTo: 0) }.contains("cannot be written")
    )
  }
}
