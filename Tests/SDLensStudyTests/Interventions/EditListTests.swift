import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// Files of edits.
@Suite struct EditListTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test func whatIsWrittenIsRead() throws {
    let mid = try BlockName("mid.0")
    let grid = Mask.places(try PlaceMask(height: 2, width: 3, values: [0, 0.1, 1, 1 / 3, 0.7, 0]))
    let edits = try EditList([
      Edit(.modulate(feature: 4539, beta: -6.1), at: mid, steps: [3, 0]),
      Edit(.add(feature: 0, strength: 1e-7, mask: .everywhere), at: mid),
      Edit(.add(feature: 1, strength: 2, mask: .region(Region("left"))), at: mid),
      Edit(.add(feature: 2, strength: 0.1 + 0.2, mask: .region(Region("0.1,0,1,0.3"))), at: mid),
      Edit(.add(feature: 3, strength: -2, mask: grid), at: mid),
      Edit(.emptyContext(feature: 5119, gamma: 1.5), at: try BlockName("down.2.1")),
      Edit(.reconstruct, at: mid, steps: [1]), Edit(.ablate, at: mid),
    ])
    try edits.write(to: folder("edit.json"))
    #expect(try EditList(contentsOf: folder("edit.json")) == edits)
    for run in EditedModel.runs where !run.edits.edits.isEmpty {
      try run.edits.write(to: folder("run.json"))
      #expect(try EditList(contentsOf: folder("run.json")) == run.edits)
    }
  }

  /// What the title of a comparison says.
  @Test func editedFeaturesAreNamedByBlock() throws {
    let (mid, up) = (try BlockName("mid.0"), try BlockName("up.0.1"))
    let strip = try EditList.strip(
      [Edit(.emptyContext(feature: 5, gamma: 1), at: mid), Edit(.ablate, at: mid)], features: [73, 63], .beta,
      [[-6, 6], [2]], at: up, steps: nil)
    #expect(EditList.features(of: strip.map(\.list)) == "mid.0 feature 5 · up.0.1 features 73, 63")
    let many = try EditList((0..<10).map { Edit(.modulate(feature: $0, beta: 1), at: mid) })
    #expect(EditList.features(of: [many]) == "mid.0 features 0, 1, 2, 3, 4, 5, 6, 7, …")
    #expect(try EditList.features(of: [EditList([Edit(.reconstruct, at: mid)])]) == "")
  }

  @Test func theFileSaysWhatItIs() throws {
    try EditList([Edit(.modulate(feature: 7, beta: -6), at: BlockName("up.0.1"), steps: [2, 0])])
      .write(to: folder("edit.json"))
    let json = try JSONValue(contentsOf: folder("edit.json"))
    let edit: [String: JSONValue] = [
      "block": "up.0.1", "operation": "modulate", "feature": 7, "beta": -6, "steps": [0, 2],
    ]
    #expect(json == .object(["format": "sdlens-edits", "version": 1, "edits": [.object(edit)]]))
    // A key without a value is left out, or null.
    let nulls = """
      {"format": "sdlens-edits", "version": 1, "dictionaries": null,
       "edits": [{"block": "up.0.1", "operation": "modulate", "feature": 7, "beta": -6, "steps": null}]}
      """
    try folder.write(nulls.utf8, to: "nulls.json")
    #expect(
      try EditList(contentsOf: folder("nulls.json"))
        == EditList([Edit(.modulate(feature: 7, beta: -6), at: BlockName("up.0.1"))]))
  }

  /// The refusal of a file, without its path.
  private func refusal(_ text: String) throws -> String {
    let path = try folder.write(text.utf8, to: "edit.json")
    return errorMessage { try EditList(contentsOf: path) }.replacing("'\(path)' ", with: "")
  }

  private func refusal(edit: String) throws -> String {
    try refusal(#"{"format": "sdlens-edits", "version": 1, "edits": [{"block": "mid.0", \#(edit)}]}"#)
  }

  @Test func otherFilesAreRefused() throws {
    #expect(try refusal("[]") == "has [] as the outermost value, but an object is needed")
    #expect(try refusal("{}") == "has in the outermost value no 'format'; it must be a text")
    #expect(
      try refusal(#"{"format": "edits"}"#) == #"is not a file of edits: 'format' must be "sdlens-edits""#)
    let head = #"{"format": "sdlens-edits", "version": "#
    #expect(
      try refusal(head + #"2, "edits": []}"#)
        == "is of version 2 of the format, but this program reads version 1")
    #expect(
      try refusal(head + #""1", "edits": []}"#)
        == #"has in the outermost value as 'version' "1", but it must be a whole number"#)
    #expect(try refusal(head + #"1, "edits": []}"#) == "holds no edits")
    #expect(try refusal(head + #"1, "edits": [3]}"#) == "has 3 as edit 1, but an object is needed")
    #expect(
      try refusal(head + #"1, "edits": [], "seed": 3}"#)
        == "has in the outermost value the key 'seed', which has no meaning there; the keys are: 'format', "
        + "'version', 'dictionaries', 'edits'")
    #expect(try refusal(head + #"1, "edits": [], "edits": []}"#).contains("the key 'edits' is there twice"))
    #expect(try refusal(String(repeating: "[", count: 5000)).contains("more than 100 brackets are open"))
    #expect(try refusal(head).contains("is not valid JSON"))
    let long = head + "1" + String(repeating: " ", count: 1 << 24)
    #expect(
      try refusal(long)
        == "has \(long.utf8.count) bytes, but a file of edits has at most 16777216")
  }

  @Test func wrongEditsAreRefusedByName() throws {
    #expect(
      try refusal(edit: #""operation": "modulate", "feature": 3, "betta": 1, "beta": 2"#)
        == "has in edit 1 the key 'betta', which has no meaning there; the keys are: 'block', 'operation', "
        + "'feature', 'beta', 'steps'")
    #expect(
      try refusal(edit: #""operation": "modulate", "feature": 3"#)
        == "has in edit 1 no 'beta'; it must be a number")
    #expect(
      try refusal(edit: #""operation": "modulate", "feature": 3.5, "beta": 1"#)
        == "has in edit 1 as 'feature' 3.5, but it must be a whole number")
    #expect(
      try refusal(edit: #""operation": "modulate", "feature": 3, "beta": "strong""#)
        == #"has in edit 1 as 'beta' "strong", but it must be a number"#)
    #expect(
      try refusal(edit: #""operation": "modulate", "feature": 3, "beta": 1e300"#)
        == "holds what cannot be done: edit 1 (modulate at mid.0): beta is 1e+300, but it must be a number from "
        + "-1000000 to 1000000")
    #expect(
      try refusal(edit: #""operation": "blur""#)
        == "has in edit 1 the operation 'blur', which there is not; the operations are: modulate, add, "
        + "reconstruct, ablate, empty-context, add-map, transplant, move")
    #expect(try refusal(edit: #""operation": "ablate", "beta": 1"#).contains("the key 'beta'"))
    #expect(
      try refusal(edit: #""operation": "ablate", "steps": [0, 1.5]"#)
        == "has in edit 1 as 'steps' [0, 1.5], but it must be a list of whole numbers")
    #expect(try refusal(edit: #""operation": "ablate", "steps": []"#).contains("its set of steps is empty"))
    #expect(try refusal(edit: #""operation": "ablate", "steps": [-1]"#).contains("there is no step -1"))
    let other =
      #"{"format": "sdlens-edits", "version": 1, "edits": [{"block": "mid.1", "operation": "ablate"}]}"#
    #expect(
      try refusal(other).hasPrefix(
        "holds what cannot be done: edit 1: 'mid.1' is not a transformer block; those of SDXL: down.1.0"))
  }

  @Test(arguments: [
    (#""middle""#, "'middle' is not a region"), ("[]", "must be a region or rows of numbers"),
    ("[[]]", "has as row 0 of edit 1: 'mask' [], but it must be a list of numbers"),
    ("[[0, 1], [1]]", "has 1 numbers in row 1 of edit 1: 'mask', but 2 in row 0"),
    ("[[0, true]]", "has in row 0 of edit 1: 'mask' what is not a number: [0, true]"),
    ("[[0, 2]]", "the mask is 2.0 in row 0, column 1, but it must be from 0 to 1"),
    ("[[0, 1e300]]", "the mask is inf in row 0, column 1"), ("[[0, 0]]", "the mask is 0 everywhere"),
    ("3", "must be a region or rows of numbers"),
  ]) func wrongMasksAreRefused(_ mask: String, _ wanted: String) throws {
    let found = try refusal(edit: #""operation": "add", "feature": 3, "strength": 1, "mask": \#(mask)"#)
    #expect(found.contains(wanted), "\(found)")
  }

  /// Each is looked up at once.
  @Test func manyFeaturesTakeNoTime() throws {
    let features = Array(0..<300_000)
    let begin = ContinuousClock.now
    _ = try EditList([Edit(.move(features: features, right: 1, down: 0), at: BlockName.studied[0])])
    let twice = errorMessage {
      try EditList([Edit(.move(features: features + [7], right: 1, down: 0), at: BlockName.studied[0])])
    }
    #expect(twice == "edit 1 (move at down.2.1): feature 7 is named twice; name it once")
    #expect(ContinuousClock.now - begin < .seconds(10))
  }
}
