import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens features` and `sdlens intervene` with dictionaries of the small model.
@Suite struct InterveneTests {
  private let workspace: TrainedWorkspace

  init() throws { workspace = try TrainedWorkspace() }

  private struct Sightings: Decodable {
    struct Feature: Decodable {
      let block: String
      let feature: Int
      let strength: Double
      let area: Double
    }
    let features: [Feature]
  }

  private struct Interventions: Decodable {
    struct Change: Decodable {
      let overall: Double
      let inside: Double?
      let outside: Double?
    }
    struct Outcome: Decodable {
      let title: String
      let change: Change
    }
    let folder: String
    let prompt: String
    let seed: Int
    let outcomes: [Outcome]
  }

  private func decode<Value: Decodable>(_ outcome: Outcome) throws -> Value {
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSON.decode(Value.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
  }

  private func intervene(_ arguments: String...) throws -> Outcome {
    try workspace.run("intervene", arguments + ["--quiet"])
  }

  /// The strongest feature of down.2.1 on a prompt.
  private func strongest(_ prompt: String) throws -> Int {
    let found: Sightings = try decode(
      workspace.run("features", ["--prompt", prompt, "--block", "down.2.1", "--json", "--quiet"]))
    return try #require(found.features.first).feature
  }

  private func file(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: workspace.folder(name)))
  }

  @Test func theStrongestFeaturesOfEveryDictionaryAreShown() throws {
    let outcome = try workspace.run(
      "features", ["--prompt", "a red house", "--top", "3", "--json", "--quiet"])
    let found: Sightings = try decode(outcome)
    #expect(
      found.features.map(\.block) == ["down.2.1", "down.2.1", "down.2.1", "up.0.1", "up.0.1", "up.0.1"])
    for index in [0, 1, 3, 4] {
      #expect(found.features[index].strength >= found.features[index + 1].strength)
    }
    #expect(found.features.allSatisfy { $0.area > 0 && $0.area <= 1 })
    #expect(try PNG.read(workspace.folder("features.png")).height > 300)
    let table = try workspace.run("features", ["--prompt", "a red house", "--top", "1", "--quiet"])
    #expect(table.out.hasPrefix("Block     Feature  Strength"), "\(table.out)")
  }

  @Test func modulatingAFeatureChangesThePicture() throws {
    let feature = try strongest("a red house")
    let result: Interventions = try decode(
      intervene("--feature", "\(feature)", "--beta", "-6", "--prompt", "a red house", "--json"))
    #expect(result.folder == "w/pictures/down.2.1-\(feature)-beta-6")
    #expect(result.outcomes.map(\.title) == ["β = −6"])
    #expect(result.outcomes[0].change.overall > 0)
    for name in ["before", "after", "difference", "heatmap", "comparison"] {
      #expect(throws: Never.self) { try PNG.read(workspace.folder("\(result.folder)/\(name).png")) }
    }
    // The saved edits do the same again, and again the same bytes.
    let again: Interventions = try decode(
      intervene(
        "--edit", "\(result.folder)/edit.json", "--prompt", "a red house", "--output", "again", "--json"))
    #expect(again.outcomes[0].change.overall == result.outcomes[0].change.overall)
    let (a, b) = (
      try PNG.read(workspace.folder("\(result.folder)/after.png")),
      try PNG.read(workspace.folder("again/after.png"))
    )
    #expect(a == b)
  }

  @Test func aStripHasAPictureForEveryStrength() throws {
    let feature = try strongest("a red house")
    let result: Interventions = try decode(
      intervene("--feature", "\(feature)", "--beta", "-2:2:2", "--prompt", "a red house", "--json"))
    #expect(result.outcomes.map(\.title) == ["β = −2", "β = 0", "β = 2"])
    #expect(result.outcomes[1].change.overall == 0)
    let (before, same) = (
      try PNG.read(workspace.folder("\(result.folder)/before.png")),
      try PNG.read(workspace.folder("\(result.folder)/after-2.png"))
    )
    #expect(before == same)
  }

  @Test func withoutAPromptTheStrongestExampleIsTaken() throws {
    let feature = try strongest("a red house")
    let outcome = try workspace.run("intervene", ["--feature", "\(feature)", "--beta", "3", "--json"])
    let result: Interventions = try decode(outcome)
    #expect(result.prompt.hasPrefix("a house with "))
    #expect(42..<66 ~= result.seed)
    #expect(
      outcome.err.contains("Feature \(feature) was most active in \"\(result.prompt)\", seed \(result.seed)"))
  }

  @Test func otherEditsWork() throws {
    let feature = try strongest("a red house")
    for arguments in [
      ["--feature", "\(feature)", "--add", "3", "--region", "left", "--prompt", "x"],
      ["--feature", "\(feature)", "--empty-context", "0.5,1"],
      ["--reconstruct", "--block", "up.0.1", "--prompt", "x"],
      ["--ablate", "mid.0", "up.1.2", "--prompt", "x"],
      ["--ablate", "mid.0", "--at-steps", "1", "--steps", "2", "--prompt", "x"],
    ] {
      let result: Interventions = try decode(workspace.run("intervene", arguments + ["--json", "--quiet"]))
      #expect(result.outcomes.allSatisfy { $0.change.overall > 0 }, "\(arguments)")
    }
  }

  @Test func mapsAreAddedMovedAndTakenOver() throws {
    let feature = "\(try strongest("a red house"))"
    let prompt = ["--prompt", "a red house"]
    // down.2.1 of the small model has maps of 3 × 3 places, 32 channels.
    try Safetensors.write(
      [.init("m", Tensor.random([3, 3, 32], seed: 5))], to: workspace.folder("m.safetensors"))
    try Safetensors.write([.init("d", Tensor.random([32], seed: 6))], to: workspace.folder("d.safetensors"))
    try Safetensors.write(
      [.init("d", Tensor.random([1, 32], seed: 6))], to: workspace.folder("row.safetensors"))
    var folders: [String] = []
    for (arguments, titles) in [
      (["--map", "m.safetensors", "--add", "1,-2"], ["map × 1", "map × −2"]),
      (["--map", "m.safetensors", "--region", "left"], ["map × 1"]),
      (["--direction", "d.safetensors", "--add", "3"], ["map × 3"]),
      (["--concept", "3 windows"], ["map × 1"]),
      (["--transplant", "a house with 3 windows"], ["transplant down.2.1"]),
      (["--transplant", "a house", "--feature", feature], ["transplant down.2.1 #\(feature)"]),
      (["--feature", feature, "--move", "2,-1"], ["move down.2.1 #\(feature)"]),
      (["--direction", "row.safetensors", "--add", "3"], ["map × 3"]),
    ] {
      let result: Interventions = try decode(
        workspace.run("intervene", arguments + prompt + ["--json", "--quiet"]))
      #expect(result.outcomes.map(\.title) == titles)
      #expect(result.outcomes.allSatisfy { $0.change.overall > 0 }, "\(arguments)")
      folders.append(result.folder)
    }
    #expect(
      folders[0] == "w/pictures/down.2.1-m-x1,-2" && folders[3] == "w/pictures/down.2.1-concept-3-windows")
    #expect(folders[6] == "w/pictures/down.2.1-\(feature)-move2,-1")
    // What the folder holds does the same again, from the list and from the picture.
    for (source, number) in [("edit-2.json", 0), ("after-2.png", 1)] {
      let again: Interventions = try decode(
        workspace.run(
          "intervene",
          ["--edit", "\(folders[0])/\(source)", "--output", "again\(number)", "--json"]
            // The picture tells its prompt.
            + (number == 0 ? prompt : [])))
      let pictures = try ["\(folders[0])/after-2.png", "\(again.folder)/after.png"].map {
        try PNG.read(workspace.folder($0))
      }
      #expect(pictures[0] == pictures[1])
    }
  }

  @Test func mapsThatDoNotFitAreRefused() throws {
    try Safetensors.write(
      [.init("m", Tensor.random([8, 8, 32], seed: 5))], to: workspace.folder("m.safetensors"))
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      (
        ["--map", "m.safetensors", "--prompt", "x"], 1,
        "edit 1 (add-map at down.2.1): 'm.safetensors' has the shape [8, 8, 32], but the updates of down.2.1 are "
          + "[3, 3, 32] in a picture of this size; make it anew for this block and size, or give a direction [32]"
      ),
      (["--map", "none.npy", "--prompt", "x"], 1, "'none.npy' does not exist; check the path"),
      (
        ["--direction", "m.safetensors", "--prompt", "x"], 1,
        "'m.safetensors' has the shape [8, 8, 32], but a direction is one vector [channels]; give it with --map"
      ),
      (
        ["--concept", "garden", "--prompt", "x"], 1,
        "'garden' is said by 0 of the 24 prompts of 'w/activations/tiny-update-24', but some must say it and some not; "
          + "choose other words or another store"
      ),
      (
        ["--map", "m.safetensors"], 1, "a prompt is needed, since no feature tells one; give it with --prompt"
      ),
      (["--move", "1,0"], 64, "--move needs a --feature"),
      (
        ["--feature", "1", "--move", "0,-9223372036854775808"], 64,
        "The value '0,-9223372036854775808' is invalid for '--move <right,down>'"
      ),
      (
        ["--feature", "1", "--move", "0,0"], 64,
        "edit 1 (move at down.2.1): it moves by 0,0, which changes nothing; move by at least one place"
      ),
      (
        ["--feature", "1", "1", "--transplant", "x"], 64,
        "edit 1 (transplant at down.2.1): feature 1 is named twice; name it once"
      ),
      (
        ["--map", "m.safetensors", "--transplant", "x"], 64,
        "--map and --transplant are two edits; give one of them, and the rest as a list with --edit"
      ),
      (
        ["--map", "m.safetensors", "--feature", "1"], 64,
        "--map adds something of its own and takes no --feature; give features as a list with --edit"
      ),
      (
        ["--transplant", "x", "--feature", "1", "--beta", "2"], 64,
        "--transplant takes no --beta; give them one after the other, as a list with --edit"
      ),
      (
        ["--map", "m.safetensors", "--add", "1", "--add", "2"], 64,
        "--map is one edit, but --add is given 2 times; give one list"
      ),
      (["--transplant", "x", "--region", "left"], 64, "--region says where --add acts; give --add too"),
      (
        ["--transplant", "x", "--store", "s"], 64,
        "--store says where --concept is looked up; give --concept too"
      ),
    ]
    for (arguments, status, message) in cases {
      let outcome = try workspace.run("intervene", arguments + ["--quiet"])
      #expect(outcome.status == status, "\(arguments)")
      #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
    }
  }

  @Test func anInactiveFeatureIsSaidWithPromptsWhereItIsActive() throws {
    let shown: Sightings = try decode(
      workspace.run(
        "features", ["--prompt", "a red house", "--block", "down.2.1", "--top", "32", "--json", "--quiet"]))
    let active = Set(shown.features.map(\.feature))
    let statistics = try Safetensors(
      contentsOf: workspace.folder("w/saes/down.2.1/k4-n32/statistics.safetensors"))
    let densities = try statistics.tensor("density").elements
    // One that is active elsewhere, if there is any.
    guard let feature = densities.indices.first(where: { densities[$0] > 0 && !active.contains($0) }) else {
      return
    }
    let outcome = try workspace.run(
      "intervene", ["--feature", "\(feature)", "--beta", "5", "--prompt", "a red house"])
    #expect(
      outcome.err.contains("Feature \(feature) of down.2.1 is not active on this prompt"), "\(outcome.err)")
    #expect(outcome.err.contains("\"a house with "))
  }

  @Test func whatCannotBeDoneIsRefused() throws {
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      (
        ["--feature", "99", "--beta", "1", "--prompt", "x"], 1,
        "edit 1 (modulate at down.2.1): there is no feature 99; the dictionary of down.2.1 has the features 0 to 31; "
          + "choose another, as 'sdlens features' lists them"
      ),
      (
        ["--feature", "1", "--beta", "1", "--block", "mid.0", "--prompt", "x"], 1,
        "there is no dictionary of mid.0 for the model tiny in 'w'; train one with: sdlens train-sae --block mid.0"
      ),
      (
        ["--feature", "1", "--beta", "1", "--sae", "w/saes/up.0.1/k4-n32", "--prompt", "x"], 1,
        "the dictionary 'w/saes/up.0.1/k4-n32' is of the block up.0.1, but down.2.1 is needed; choose another with --sae"
      ),
      (
        ["--feature", "1", "--beta", "nan"], 64,
        "edit 1 (modulate at down.2.1): beta is nan, but it must be a number from -1000000 to 1000000"
      ),
      (["--feature", "1"], 64, "--feature needs a strength: --beta, --add or --empty-context"),
      (["--beta", "1"], 64, "--beta needs a --feature"),
      (
        ["--feature", "1", "2", "3", "--beta", "1", "--beta", "2"], 64,
        "there are 3 features and 2 times --beta; give one for all, or one for each"
      ),
      (["--reconstruct", "--mask", "m.png"], 64, "--mask says where --add acts; give --add too"),
      ([], 64, "nothing is to be done; give --feature with --beta, or another edit"),
      (["--reconstruct"], 1, "a prompt is needed, since no feature tells one; give it with --prompt"),
    ]
    for (arguments, status, message) in cases {
      let outcome = try workspace.run("intervene", arguments + ["--quiet"])
      #expect(outcome.status == status, "\(arguments)")
      #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
    }
  }
}
