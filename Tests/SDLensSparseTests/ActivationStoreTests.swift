import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct ActivationStoreTests {
  @Test func vectorsComeBackPictureByPicture() throws {
    let fixture = try StoreFixture()
    let store = try fixture.store()
    #expect(store.manifest == fixture.manifest)
    #expect(store.missing == [])
    #expect(store.damaged.isEmpty)
    #expect(store.verify().isEmpty)
    #expect(try store.prompts() == StoreFixture.prompts)
    #expect(store.pictureNumbers == Array(0..<10))
    for block in fixture.manifest.blocks {
      let activations = try store.activations(of: block.name)
      #expect(activations.rowsPerPicture == 2 * block.mapHeight * block.mapWidth)
      for picture in 0..<10 {
        let wanted = fixture.vectors[block.name]!.picture(picture)
        expectSame(
          try activations.rows(ofPicture: picture),
          wanted.reshaped([activations.rowsPerPicture, block.width]),
          "\(block.name) \(picture)")
      }
    }
  }

  /// Of a store of two steps the vectors of each alone, read in every way there is.
  @Test(arguments: [nil, 2] as [Int?], [0, 1]) func theVectorsOfOneStep(places: Int?, step: Int) throws {
    let fixture = try StoreFixture(places: places)
    let store = try fixture.store().at([step])
    #expect(store.manifest.vectorSteps == VectorSteps([step], of: 2))
    for block in fixture.manifest.blocks {
      let kept = fixture.manifest.placesKept(of: block)
      for mostMapped in [4096, 1] {
        let activations = try store.activations(of: block.name, mostMapped: mostMapped)
        #expect(activations.rowsPerPicture == kept)
        let numbers = [7, 2, 9]
        try activations.prepare(numbers)
        for (place, picture) in numbers.enumerated() {
          let all = fixture.vectors[block.name]!.picture(picture).reshaped([2 * kept, block.width])
          let wanted = all.rows(step * kept..<(step + 1) * kept)
          expectSame(try activations.rows(ofPicture: picture), wanted, "\(block.name) \(picture)")
          var copied = Tensor(uninitialized: wanted.shape)
          copied.withMutableElements {
            for row in 0..<kept {
              activations.copyRow(place * kept + row, to: $0.baseAddress! + row * block.width)
            }
          }
          expectSame(copied, wanted, "\(block.name) \(picture), copied")
          let marks = try fixture.store().activations(of: block.name).places(ofPicture: picture)
          #expect(
            try activations.places(ofPicture: picture)
              == marks.map { Array($0[step * kept..<(step + 1) * kept]) })
        }
      }
    }
    #expect(
      try store.at(nil).manifest == store.manifest && fixture.store().at([1, 0]).manifest.atSteps == nil)
    #expect(
      errorMessage { try store.at([2, 1 - step]) }
        == "'\(fixture.folder.path)' has the vectors of step \(step) of 2 (from 0), but at-step asks for \(1 - step), 2; name "
        + "another with --store, or record them with: sdlens collect --steps … --at-step \(1 - step) 2")
  }

  @Test func stepsThatNoRunHasAreRefused() throws {
    let fixture = try StoreFixture(writing: [])
    for steps in [[], [1, 0], [0, 0], [2], [-1]] {
      var manifest = fixture.manifest
      manifest.atSteps = steps
      #expect(
        errorMessage { try manifest.check(at: "m.json") }.contains(
          "has the vectors of the steps \(steps) of 2"))
    }
  }

  @Test func stepsInWords() {
    #expect(
      VectorSteps(of: 1).description == "1 step" && VectorSteps([0, 1], of: 2).description == "all 2 steps")
    #expect(VectorSteps([0, 2], of: 4).description == "steps 0, 2 of 4 (from 0)")
    #expect(VectorSteps([0, 2], of: 4).suffix == "-step0,2" && VectorSteps(of: 4).suffix == "")
    let learned = VectorSteps([0, 2], of: 4)
    #expect(learned.note(of: "d", usedAt: VectorSteps([2], of: 4)) == nil)
    #expect(
      learned.note(of: "d", usedAt: VectorSteps([1], of: 4))
        == "The dictionary 'd' learned from steps 0, 2 of 4 (from 0), but is used at step 1 of 4 (from 0)")
    #expect(
      learned.note(of: "d", usedAt: VectorSteps(of: 1))
        == "The dictionary 'd' learned from steps 0, 2 of 4 (from 0), but is used at 1 step")
  }

  @Test func halfPrecisionRoundsToTheNearest() throws {
    let fixture = try StoreFixture(dtype: .float16)
    let found = try fixture.store().activations(of: "mid.0").rows(ofPicture: 5)
    let wanted = fixture.vectors["mid.0"]!.picture(5).rounded(to: .f16).reshaped([4, 4])
    expectSame(found, wanted, "mid.0")
  }

  @Test func bfloat16RoundsToTheNearest() throws {
    let fixture = try StoreFixture(dtype: .bfloat16)
    let found = try fixture.store().activations(of: "mid.0").rows(ofPicture: 5)
    expectSame(found, fixture.vectors["mid.0"]!.picture(5).rounded(to: .bf16).reshaped([4, 4]), "mid.0")
  }

  /// Of the 256 numbers of E4M3, times the scale of a vector, each is the nearest.
  @Test(arguments: [nil, 2]) func float8RoundsToTheNearest(places: Int?) throws {
    let fixture = try StoreFixture(dtype: .float8, places: places)
    let numbers = try Safetensors(
      contentsOf: Goldens(beside: #filePath)("../../SDLensCoreTests/Goldens/eight-bit-floats.safetensors")
    )
    .tensor("e4m3.float").elements.filter(\.isFinite)
    for block in fixture.manifest.blocks {
      let wanted = fixture.vectors[block.name]!.picture(9)
      let found = try fixture.store().activations(of: block.name).rows(ofPicture: 9)
      for row in 0..<found.rows {
        let x = (0..<block.width).map { wanted[row * block.width + $0] }
        let largest = x.map(\.magnitude).max()!
        var scale: Float = 1
        while largest / scale > 448 { scale *= 2 }
        while largest / scale <= 224 { scale /= 2 }
        for (c, value) in x.enumerated() {
          let error = abs(found[row * block.width + c] - value)
          #expect(numbers.allSatisfy { abs($0 * scale - value) >= error }, "\(block.name) \(row), \(c)")
        }
      }
    }
  }

  @Test(arguments: ActivationManifest.Format.allCases)
  func whatRoundingCostsIsSaid(dtype: ActivationManifest.Format) throws {
    let fixture = try StoreFixture(dtype: dtype)
    let store = try fixture.store()
    let said = try store.rounding()
    guard dtype != .float32 else { return #expect(said.isEmpty) }
    for block in fixture.manifest.blocks {
      let activations = try store.activations(of: block.name)
      var errors: [Double] = []
      for picture in 0..<10 {
        let (found, wanted) = (
          try activations.rows(ofPicture: picture), fixture.vectors[block.name]!.picture(picture)
        )
        for row in 0..<found.rows {
          let places = row * block.width..<(row + 1) * block.width
          let error = places.reduce(0.0) { $0 + pow(Double(found[$1]) - Double(wanted[$1]), 2) }
          errors.append(error / places.reduce(0.0) { $0 + pow(Double(wanted[$1]), 2) })
        }
      }
      let rounding = try #require(said[block.name])
      #expect(rounding.vectors == errors.count)
      #expect(
        abs(rounding.rootMeanSquare / (errors.reduce(0, +) / Double(errors.count)).squareRoot() - 1) < 1e-6)
      #expect(abs(rounding.largest / errors.max()!.squareRoot() - 1) < 1e-6)
    }
  }

  @Test func scalesThatAreNotThereAreDamage() throws {
    let fixture = try StoreFixture(dtype: .float8, writing: [0])
    let path = fixture.folder("shard-00000.safetensors")
    let metadata = try Safetensors(contentsOf: path).metadata
    try Safetensors.write(
      fixture.manifest.blocks.map { block in
        let vectors = fixture.vectors[block.name]!.pictures(0..<4)
        let scales = [Float](repeating: 1, count: vectors.rows)
        return Safetensors.Item(eightBits: vectors, scales: scales, block.name)
      }, metadata: metadata, to: path)
    let store = try fixture.store()
    #expect("\(store.damaged[0])".contains("has 'down.2.1.scale' missing, but it must be F32 [4, 2, 6]"))
  }

  @Test(arguments: [
    (ActivationManifest.Format.float16, "half-precision number 65504"),
    (.bfloat16, "bfloat16 number 3.3895314e+38"), (.float8, "float32 number 3.4028235e+38"),
  ])
  func whatAFormatCannotHoldIsAnError(dtype: ActivationManifest.Format, largest: String) throws {
    let fixture = try StoreFixture(dtype: dtype, writing: [])
    for (value, text) in [(Float(70000), "70000.0"), (Float.nan, "nan"), (-.infinity, "-inf")] {
      if value.isFinite && dtype != .float16 { continue }
      var parts: [String: ActivationShard.Part] = [:]
      for block in fixture.manifest.blocks {
        var vectors = fixture.vectors[block.name]!.pictures(0..<4)
        if block.name == "mid.0" { vectors[9] = value }
        parts[block.name] = .init(vectors: vectors, places: nil)
      }
      let message = errorMessage {
        try ActivationShard.write(
          0, of: fixture.manifest, parts, prompts: Array(StoreFixture.prompts[0..<4]), in: fixture.folder.path
        )
      }
      #expect(
        message == "'mid.0' holds \(text) at position 9, beyond the largest \(largest); "
          + "store it as float32")
    }
    #expect(try fixture.store().missing == [0, 1, 2])
  }

  @Test func placesTellWhereSampledVectorsAreFrom() throws {
    let fixture = try StoreFixture(places: 2)
    let activations = try fixture.store().activations(of: "down.2.1")
    #expect(activations.rowsPerPicture == 4)
    #expect(try activations.places(ofPicture: 9) == [0, 1, 0, 1])
    expectSame(
      try activations.rows(ofPicture: 9), fixture.vectors["down.2.1"]!.picture(9).reshaped([4, 6]),
      "picture 9")
  }

  @Test func missingAndDamagedShardsAreNamedAndTheRestIsUsed() throws {
    let fixture = try StoreFixture(writing: [1, 2])
    let path = fixture.folder("shard-00002.safetensors")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes.removeLast(3)
    try bytes.write(to: URL(fileURLWithPath: path))
    let store = try fixture.store()
    #expect(store.missing == [0])
    #expect(store.damaged.count == 1)
    #expect("\(store.damaged[0])".contains("shard-00002.safetensors' is not a whole safetensors file"))
    #expect(store.pictures == 4)
    #expect(store.pictureNumbers == [4, 5, 6, 7])
    expectSame(
      try store.activations(of: "mid.0").rows(ofPicture: 1),
      fixture.vectors["mid.0"]!.picture(5).reshaped([4, 4]), "picture 5")
  }

  @Test func aChangedByteIsFound() throws {
    let fixture = try StoreFixture()
    let path = fixture.folder("shard-00001.safetensors")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count - 7] ^= 4
    try bytes.write(to: URL(fileURLWithPath: path))
    let problems = try fixture.store().verify()
    #expect(problems.count == 1)
    #expect("\(problems[0])".contains("shard-00001.safetensors' has the checksum "))
    #expect(
      "\(problems[0])".hasSuffix(
        "; delete it and let the 'sdlens collect' or 'import' of its store make it again"))
  }

  /// Whoever reads vectors hears of it: one picture, a group for training, places; other shards are read.
  @Test(arguments: [nil, 2]) func aDamagedShardIsNotReadWithoutAWord(places: Int?) throws {
    let fixture = try StoreFixture(places: places)
    let path = fixture.folder("shard-00001.safetensors")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count - 7] ^= 4
    try bytes.write(to: URL(fileURLWithPath: path))
    let activations = try fixture.store().activations(of: "mid.0")
    _ = try activations.rows(ofPicture: 3)
    try activations.prepare([0, 9, 2])
    func isNamed(_ message: String) -> Bool {
      message.hasPrefix("'\(path)' has the checksum ")
        && message.hasSuffix(
          "; delete it and let the 'sdlens collect' or 'import' of its store make it again")
    }
    #expect(isNamed(errorMessage { _ = try activations.rows(ofPicture: 4) }))
    #expect(isNamed(errorMessage { try activations.prepare([1, 8, 7]) }))
    if places != nil { #expect(isNamed(errorMessage { _ = try activations.places(ofPicture: 5) })) }
    let rows = ShuffledRows(activations, seed: 1)
    #expect(isNamed(errorMessage { _ = try rows.rows(0..<rows.count, epoch: 0) }))
  }

  /// Where a group has more shards than are mapped at a time, its rows are copied, and are the same.
  @Test(arguments: [nil, 2], ActivationManifest.Format.allCases)
  func rowsOfManyShards(places: Int?, dtype: ActivationManifest.Format) throws {
    let fixture = try StoreFixture(dtype: dtype, places: places)
    func rows(_ mostMapped: Int, groupSize: Int) throws -> Tensor {
      let activations = try fixture.store().activations(of: "down.2.1", mostMapped: mostMapped)
      let rows = ShuffledRows(activations, groupSize: groupSize, seed: 3)
      return try rows.rows(0..<rows.count, epoch: 1)
    }
    for size in [1, 30, 1000] {
      expectSame(try rows(1, groupSize: size), try rows(4096, groupSize: size), "groups of \(size)")
    }
  }

  @Test func otherFilesAndHalfOnesAreNoShards() throws {
    let fixture = try StoreFixture(writing: [0, 2])
    for name in [
      "shard-1.safetensors", "shard-00003.safetensors", "shard--0001.safetensors", "shard-x.safetensors",
      ".sdlens-0.tmp", "shard-00001.safetensors.bak",
    ] {
      try fixture.folder.write([1], to: name)
    }
    let store = try fixture.store()
    #expect(store.missing == [1] && store.damaged.isEmpty && store.shards.count == 2)
  }

  @Test(arguments: [ActivationManifest.Format.float16, .bfloat16, .float8])
  func aShardOfAnotherStoreIsDamage(dtype: ActivationManifest.Format) throws {
    let (fixture, other) = (try StoreFixture(), try StoreFixture(dtype: dtype))
    try FileManager.default.removeItem(atPath: fixture.folder("shard-00000.safetensors"))
    try FileManager.default.copyItem(
      atPath: other.folder("shard-00000.safetensors"), toPath: fixture.folder("shard-00000.safetensors"))
    let store = try fixture.store()
    #expect(
      "\(store.damaged[0])".contains(
        "belongs to the store \(try other.manifest.fingerprint), not to this one"))
  }

  @Test func aShardUnderAWrongNumberIsDamage() throws {
    let fixture = try StoreFixture(writing: [0])
    try FileManager.default.moveItem(
      atPath: fixture.folder("shard-00000.safetensors"), toPath: fixture.folder("shard-00001.safetensors"))
    let store = try fixture.store()
    #expect("\(store.damaged[0])".contains("begins with picture 0, not 4"))
  }

  @Test func emptyStoresAndUnknownBlocksAreErrors() throws {
    let empty = try StoreFixture(writing: []).store()
    #expect(
      errorMessage { _ = try empty.activations(of: "mid.0") }
        == "'\(empty.folder)' has no shard that can be used yet; go on with the 'sdlens collect' that began it"
    )
    let store = try StoreFixture().store()
    #expect(
      errorMessage { _ = try store.activations(of: "up.0.1") }
        == "the store has no activations of up.0.1, only of down.2.1, mid.0; collect them with: "
        + "sdlens collect --block up.0.1")
  }

  @Test func aFolderWithoutManifestIsNoStore() throws {
    let folder = try TemporaryFolder()
    #expect(
      errorMessage { _ = try ActivationStore(folder.path) }
        == "'\(folder.path)' is no store of activations: it has no manifest.json; make one with: sdlens collect"
    )
  }

  @Test(arguments: [
    (
      #""version" : 1"#, #""version" : 2"#,
      "is of version 2, but this program reads version 1; take a newer one"
    ),
    (#""pictures" : 10"#, #""pictures" : -1"#, "has as 'pictures' -1, but it must be from 1 to 2147483647"),
    (
      #""width" : 6"#, #""width" : 0"#,
      "has a block of size 0, but widths and sides of maps are from 1 to 65536"
    ),
    (#""seed" : 7"#, #""seed" : 18446744073709551615"#, "has seed 18446744073709551615"),
    (#""name" : "mid.0""#, #""name" : "down.2.1""#, "names a block twice"),
    (#""dtype" : "float32""#, #""dtype" : "int8""#, "is not as it should be"),
    (
      #""pictures" : 10"#, #""pictures" : 1000000000"#,
      "has 1000000000 pictures in shards of 4, which are 250000000 files, but at most 16777216 are read; collect "
        + "with a larger --shard-size"
    ),
    (
      #""pictures" : 10"#, #""pictures" : 9223372036854775807"#,
      "has as 'pictures' 9223372036854775807, but it"
    ),
    (
      #""pictures" : 10"#, #""pictures" : 1.5"#,
      "is not as it should be: a number is no whole number below 2^63, but one is needed there"
    ),
    (
      #""map_width" : 3"#, #""map_width" : 1099511627776"#,
      "has a block of size 1099511627776, but widths and sides of maps are from 1 to 65536"
    ),
    (
      #""steps" : 2"#, #""steps" : 1099511627776"#,
      "has as 'steps' 1099511627776, but it must be from 1 to 65536"
    ),
    (
      #""width" : 24"#, #""width" : 4294967296"#,
      "has as 'width' 4294967296, but it must be from 0 to 1048576"
    ),
    (#""height" : 16"#, #""height" : -1"#, "has as 'height' -1, but it must be from 0 to 1048576"),
  ])
  func hostileManifestsAreRefused(from: String, to: String, message: String) throws {
    let fixture = try StoreFixture(writing: [])
    let path = fixture.folder("manifest.json")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(from))
    try text.replacingOccurrences(of: from, with: to).write(toFile: path, atomically: true, encoding: .utf8)
    let found = errorMessage { _ = try fixture.store() }
    #expect(found.hasPrefix("'\(path)' \(message)"), "\(found)")
  }

  /// Each number is possible, but not all of them together.
  @Test func sizesWhoseProductIsAbsurdAreRefused() throws {
    var manifest = try StoreFixture(writing: []).manifest
    manifest.blocks = [.init(name: "mid.0", width: 1 << 16, mapHeight: 1 << 16, mapWidth: 1 << 16)]
    manifest.steps = 1 << 16
    #expect(
      errorMessage { try manifest.check(at: "x") }
        == "'x' has 281474976710656 vectors of mid.0 in each picture, but at most 1073741824 are read")
    manifest.blocks = [.init(name: "mid.0", width: 1 << 16, mapHeight: 1 << 7, mapWidth: 1 << 7)]
    (manifest.pictures, manifest.picturesPerShard) = (Int(Int32.max), 1 << 20)
    #expect(
      errorMessage { try manifest.check(at: "x") }.hasSuffix("bytes each, which is more than any disk holds"))
  }

  @Test func theFirstDifferenceBetweenManifestsIsNamed() throws {
    let manifest = try StoreFixture(writing: []).manifest
    var other = manifest
    #expect(manifest.difference(from: other) == nil)
    other.places = 3
    let difference = manifest.difference(from: other)
    #expect(difference?.setting == "places" && difference?.ours == "all" && difference?.theirs == "3")
  }
}
