import Foundation
import SDLensTestSupport
import Testing

/// `--estimate`: what long work will take, with nothing left behind.
@Suite struct EstimateTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<40).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
  }

  private func run(_ command: String, _ arguments: [String]) throws -> Outcome {
    try Command.run(
      [command, "--model", Command.tinyModel, "--prompts", "prompts.txt", "--workspace", "w", "--quiet"]
        + arguments,
      in: folder)
  }

  private func estimate(_ command: String, _ arguments: [String] = []) throws -> [String: Any] {
    let outcome = try run(command, ["--estimate", "--json"] + arguments)
    #expect(outcome.status == 0, "\(outcome.err)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any])
  }

  private func works(_ estimate: [String: Any]) throws -> [String: Int] {
    let works = try #require(estimate["works"] as? [[String: Any]])
    for work in works { #expect(try #require(work["measured"] as? Int) > 0, "\(work)") }
    return Dictionary(
      uniqueKeysWithValues: works.map { ($0["name"] as? String ?? "", $0["pieces"] as? Int ?? -1) })
  }

  @Test func whatIsLeftOfACollectionIsJudgedAndNothingIsLeftBehind() throws {
    let options = ["--shard-size", "4", "--block", "mid.0"]
    let all = try estimate("collect", options)
    #expect(try folder.contents == ["prompts.txt"])
    #expect(try works(all) == ["record": 40])
    // mid.0 of the small model has 3 × 3 positions of width 32, as halves.
    #expect(all["disk"] as? Int == 40 * 9 * 32 * 2)
    #expect(try #require(all["seconds"] as? Double) > 0 && #require(all["memory"] as? Int) > 1 << 20)

    #expect(try run("collect", options + ["--shard", "2/5"]).status == 0)
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder("w")).sorted()
    #expect(try works(estimate("collect", options)) == ["record": 32])
    #expect(try works(estimate("collect", options + ["--shard", "3/5"])) == ["record": 8])
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder("w")).sorted() == files)

    let other = try run("collect", options + ["--estimate", "--seed", "43"])
    #expect(other.status == 1)
    #expect(
      other.err
        == "Error: 'w/activations/tiny-update' was begun with seed 42, but 43 is asked for now; ask for the same, give "
        + "the new store another name with collect --name, or train on this one as it is with --store tiny-update\n"
    )
  }

  @Test func aTrainingIsJudgedWithWhatMustBeRecordedBefore() throws {
    let options = ["--block", "mid.0", "--k", "4", "--batch", "64", "--steps", "50"]
    let names = ["record": 40, "mid.0: train": 50, "mid.0: measure features": 40]
    #expect(
      try works(estimate("train-sae", options + ["--features", "32"])) == names)
    #expect(try folder.contents == ["prompts.txt"])
    // 50 batches of 64 vectors are 3200, of which a picture has 9.
    #expect(
      try works(estimate("train-sae", options + ["--features", "32", "--stream"]))
        == ["record": 356, "mid.0: train": 50])

    #expect(try run("collect", ["--block", "mid.0"]).status == 0)
    let late = try estimate(
      "train-sae", options + ["--features", "32", "--store", "tiny-update", "--dead-after", "640"])
    #expect(
      try works(late) == [
        "mid.0: train": 50, "mid.0: dead features, at most": 40, "mid.0: measure features": 40,
      ])
    #expect(!FileManager.default.fileExists(atPath: folder("w/training")))

    let text = try run("train-sae", options + ["--estimate", "--store", "tiny-update"])
    #expect(text.out.contains("mid.0: train ") && text.out.contains("steps"), "\(text.out)")
    #expect(text.out.contains("are free") && text.out.contains("this machine has"), "\(text.out)")

    // What the training then leaves.
    let trained = try run("train-sae", options + ["--features", "32", "--store", "tiny-update", "--quiet"])
    #expect(trained.status == 0, "\(trained.err)")
    let written = try ["w/saes", "w/training"].reduce(0) { sum, name in
      try FileManager.default.subpathsOfDirectory(atPath: folder(name)).reduce(sum) { sum, file in
        let attributes = try FileManager.default.attributesOfItem(atPath: folder("\(name)/\(file)"))
        return sum
          + (attributes[.type] as? FileAttributeType == .typeRegular ? attributes[.size] as? Int ?? 0 : 0)
      }
    }
    let said = try #require(late["disk"] as? Int)
    #expect(0.7...1.3 ~= Double(said) / Double(written), "said \(said), written \(written)")
  }
}
