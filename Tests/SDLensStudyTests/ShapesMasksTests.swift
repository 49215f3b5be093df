import SDLensCore
import SDLensShapes
import SDLensStudy
import SDLensTestSupport
import Testing

/// Masks and shifts, against the renderer of `Scripts/shapes/world.py`.
@Suite struct ShapesMasksTests {
  private let goldens: WorldGoldens
  private let tensors: Safetensors

  init() throws {
    goldens = try WorldGoldens.load()
    tensors = try WorldGoldens.files.tensors("shapes-world.safetensors")
  }

  /// The shifts of each scene.
  private func shifts() throws -> [ShapesShifts] {
    let values = try tensors.tensor("shifts").elements
    return (0..<goldens.scenes.count).map {
      ShapesShifts(x: Array(values[$0 * 10..<$0 * 10 + 5]), y: Array(values[$0 * 10 + 5..<$0 * 10 + 10]))
    }
  }

  // torch.nn.functional.avg_pool2d(world.render(scene, shift)[1], 32)
  @Test func sharesOfCellsAreThoseOfPython() throws {
    let (shifts, wanted) = (try shifts(), try tensors.tensor("shares").elements)
    for (index, golden) in goldens.scenes.enumerated() {
      let shares = ShapesMasks(golden.scene, shifts[index]).shares(side: 8)
      #expect(shares.count == golden.objects.count)
      for (object, share) in shares.enumerated() {
        let start = (index * 2 + object) * 64
        let worst = zip(share, wanted[start..<start + 64]).map { abs($0 - $1) }.max() ?? 0
        #expect(worst < 2e-6, "\(golden.caption)")
      }
    }
  }

  // world.render(scene, shift)[1], as bytes: of 3 million pixels none may differ by more than the rounding of one
  @Test func masksAreThoseOfPython() throws {
    let sheet = try PNG.read(WorldGoldens.files("shapes-masks.png"))
    let (size, columns) = (ShapesWorld.pictureSize, 6)
    let drawn = zip(goldens.scenes, try shifts()).filter { !$0.0.objects.isEmpty }.prefix(24)
    #expect(drawn.count == 24)
    var differing = 0
    for (index, (golden, shift)) in drawn.enumerated() {
      for (object, mask) in ShapesMasks(golden.scene, shift).objects.enumerated() {
        var worst = 0
        for (pixel, value) in mask.enumerated() {
          let (row, column) = (index / columns * size + pixel / size, index % columns * size + pixel % size)
          let wanted = Int(sheet.samples[(row * sheet.width + column) * sheet.channels + object])
          let difference = abs(Int((255 * value).rounded(.toNearestOrEven)) - wanted)
          worst = max(worst, difference)
          differing += difference > 0 ? 1 : 0
        }
        #expect(worst <= 1, "\(golden.caption)")
      }
    }
    #expect(differing <= 3, "pixels at the edge between two bytes")
  }

  // world.shifts(torch.randn(1, 4, 32, 32, generator=torch.Generator("cpu").manual_seed(seed)))
  @Test(arguments: [0, 42, 12345] as [Seed]) func aSeedSaysTheShifts(seed: Seed) throws {
    let wanted = try tensors.tensor("seed.\(seed)").elements
    let scene = { (place: ShapesWorld.Place) in ShapesScene([.init(.circle, size: .small, place: place)]) }
    for (index, place) in ShapesWorld.Place.allCases.enumerated() {
      var (x, y) = ([Float](repeating: 0, count: 5), [Float](repeating: 0, count: 5))
      (x[index], y[index]) = (wanted[index], wanted[5 + index])
      let found = ShapesMasks(scene(place), ShapesShifts(seed: seed)).objects[0]
      let expected = ShapesMasks(scene(place), ShapesShifts(x: x, y: y)).objects[0]
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
      #expect(found != ShapesMasks(scene(place)).objects[0])
    }
  }

  @Test func theFirstObjectHidesTheSecond() {
    let both = ShapesMasks(ShapesScene([.init(.square), .init(.circle, size: .small)]))
    #expect(both.objects[1].allSatisfy { $0 == 0 })
    let swapped = ShapesMasks(ShapesScene([.init(.circle, size: .small), .init(.square)]))
    #expect(swapped.objects[0] == ShapesMasks(ShapesScene([.init(.circle, size: .small)])).objects[0])
    #expect(zip(swapped.objects[0], swapped.objects[1]).allSatisfy { $0 + $1 <= 1.0001 })
  }

  @Test func nominalMasksAreWithinFivePixels() throws {
    // Every pixel that is surely inside a nominal outline is covered whatever the shift, 5 pixels away from its edge.
    let scene = ShapesScene([.init(.square, place: .top)])
    let nominal = ShapesMasks(scene).objects[0]
    for golden in try shifts() {
      let mask = ShapesMasks(scene, golden).objects[0]
      for row in 54 - 36...54 + 36 {
        for column in 128 - 36...128 + 36 { #expect(mask[row * 256 + column] == 1) }
      }
    }
    #expect(nominal.reduce(0, +) > 84 * 84 && nominal.reduce(0, +) < 85 * 85)
  }

  @Test func placesHaveTheValuesOfWhatCoversThem() {
    let scene = ShapesScene(
      [.init(.star, colour: .red, size: .small), .init(.square, colour: .blue, place: .left)],
      background: .teal)
    let truth = ShapesTruth(scene, .none, side: 8)
    func values(_ bits: ShapesTruth.Labels) -> Set<String> {
      Set(
        ShapesTruth.labels.indices.filter { bits >> UInt64($0) & 1 == 1 }.map { ShapesTruth.labels[$0].value }
      )
    }
    #expect(ShapesTruth.labels.count == 31)
    #expect(
      values(truth.picture) == [
        "star", "red", "small", "plain", "centre", "square", "blue", "large", "left", "teal",
      ])
    #expect(values(truth.places[0]) == ["teal"])
    for centre in [27, 28, 35, 36] {
      #expect(values(truth.places[centre]) == ["star", "red", "small", "plain", "centre"])
    }
    #expect(values(truth.places[25]) == ["square", "blue", "large", "plain", "left"])
    #expect(ShapesTruth(.blank, .none, side: 4).picture == 0)
    #expect(ShapesTruth(.blank, .none, side: 4).places == Array(repeating: 0, count: 16))
  }

  @Test func everyObjectHasItsPlaces() {
    for shape in ShapesWorld.Form.allCases {
      for size in ShapesWorld.Size.allCases {
        for place in ShapesWorld.Place.allCases {
          for seed in 0..<4 {
            let scene = ShapesScene([.init(shape, size: size, place: place)])
            let truth = ShapesTruth(scene, ShapesShifts(seed: Seed(exactly: seed)!), side: 8)
            #expect(
              truth.places.contains {
                $0 & 1 << UInt64(ShapesWorld.Form.allCases.firstIndex(of: shape)!) != 0
              })
          }
        }
      }
    }
  }
}
