import Foundation
import SDLensCore
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// The curves of a training.
@Suite struct TrainingCurvesTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The log of five steps; the first tells no explained variance.
  private func log(_ dictionaries: Int) throws -> String {
    let fixed = """
      "auxiliary":1,"dead":0,"gradientNorm":1,"idle1e4":5,"idle1e6":3,"idle1e7":1,"l0":10,"learningRate":0.001,"mse":1
      """
    var text = ""
    for step in 1...5 {
      let loss: Double = 1 / Double(step)
      let variance = step == 1 ? "" : "\"explainedVariance\":0.6,\"meanExplainedVariance\":0.5,"
      for dictionary in 0..<dictionaries {
        text += "{\"dictionary\":\(dictionary),\"step\":\(step),\"vectors\":\(step * 4096),"
        text += "\"loss\":\(loss),\(variance)\(fixed)}\n"
      }
    }
    return try folder.write(text.utf8, to: "log.jsonl")
  }

  private func statistics() -> FeatureStatistics {
    var counts = FeatureCounts(features: 10)
    counts.add(Codes(rows: 2, slots: 2, indices: [0, 1, 0, 2], values: [1, 2, 3, 4]))
    return counts.statistics
  }

  @Test func aPageOfEightPlots() throws {
    try TrainingCurves.write(
      log: log(2), statistics: [statistics(), nil], names: ["k5", "k10"], of: "mid.0",
      to: folder("curves.png"))
    let picture = try PNG.read(folder("curves.png"))
    #expect(picture.width > 1000 && picture.height > 1500)
    #expect(Set(picture.samples).count > 20)
  }

  @Test func theSameBytesEachTime() throws {
    let log = try log(1)
    for name in ["a.svg", "b.svg"] {
      try TrainingCurves.write(
        log: log, statistics: [statistics()], names: ["k5"], of: "mid.0", to: folder(name))
    }
    #expect(FileManager.default.contentsEqual(atPath: folder("a.svg"), andPath: folder("b.svg")))
  }

  @Test func logsThatDoNotFitAreRefused() throws {
    let log = try log(2)
    #expect(throws: MalformedFile.self) {
      try TrainingCurves.write(
        log: log, statistics: [nil], names: ["k5"], of: "mid.0", to: folder("curves.png"))
    }
    try folder.write([], to: "empty.jsonl")
    #expect(throws: FileError.self) {
      try TrainingCurves.write(
        log: folder("empty.jsonl"), statistics: [nil], names: ["k5"], of: "mid.0", to: folder("curves.png"))
    }
    #expect(throws: FileError.self) {
      try TrainingCurves.write(
        log: folder("none"), statistics: [nil], names: ["k5"], of: "mid.0", to: folder("c.png"))
    }
  }
}
