import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// What hooks see and change, on the tiny U-net and two pictures.
@Suite struct HookTests {
  let inputs: UNetGoldenTests.Inputs
  let block: BlockName

  init() throws {
    inputs = try UNetGoldenTests.Inputs("pair", TinyModel.goldens("unet"))
    block = try BlockName("down.2.1")
  }

  /// The prediction under the hooks that `add` adds, and everything recorded of the block after them.
  private func run(step: Int = 0, _ add: (inout HookSet) -> Void = { _ in }) throws -> (Tensor, Recorder) {
    var hooks = HookSet()
    add(&hooks)
    let recorder = Recorder()
    recorder.record(HookSet.Site.allCases, of: block, in: &hooks)
    return (try predict(hooks, step: step), recorder)
  }

  private func predict(_ hooks: HookSet = HookSet(), step: Int = 0) throws -> Tensor {
    let unet = try TinyModel.unet
    return withThreads(2) {
      unet(
        inputs.latents, timestep: inputs.timestep, text: inputs.text, pooled: inputs.pooled,
        timeIDs: inputs.timeIDs, hooks: hooks, step: step)
    }
  }

  private func recorded(_ recorder: Recorder, _ site: HookSet.Site, step: Int = 0) throws -> Tensor {
    try #require(recorder[block, site, step: step], "nothing of \(site) in step \(step)")
  }

  @Test func lookingChangesNothing() throws {
    let plain = try predict()
    expectSame(try predict(), plain, "the second run")
    var hooks = HookSet()
    for block in BlockName.sdxl {
      for site in HookSet.Site.allCases { hooks.observe(site, of: block) { _, _ in } }
      for part in HookSet.AttentionPart.allCases {
        for kind in HookSet.AttentionKind.allCases {
          hooks.observe(part, of: kind, layer: 0, in: block) { _, _ in }
        }
      }
    }
    expectSame(try predict(hooks), plain, "with observers everywhere")
    var elsewhere = HookSet()
    elsewhere.observe(.probabilities, of: .selfAttention, layer: 7, in: block) { _, _ in
      Issue.record("no such layer")
    }
    elsewhere.edit(.update, of: block, atSteps: [1]) { x, _ in x = x.scaled(by: 0) }
    expectSame(try predict(elsewhere), plain, "with hooks that do not act")
  }

  @Test func theOutputIsTheInputPlusTheUpdate() throws {
    let (_, recorder) = try run()
    let sum = try recorded(recorder, .input) + recorded(recorder, .update)
    expectSame(try recorded(recorder, .output), sum, "output")
  }

  @Test func anUpdateOfZerosIsAnAblation() throws {
    let (edited, recorder) = try run {
      $0.edit(.update, of: block) { x, _ in x = Tensor(repeating: 0, x.shape) }
    }
    let (ablated, other) = try run { $0.ablate(block) }
    let (replaced, _) = try run {
      $0.replaceUpdate(of: block) { input, _ in Tensor(repeating: 0, input.shape) }
    }
    expectSame(edited, ablated, "edited to zero")
    expectSame(replaced, ablated, "replaced by zeros")
    #expect(ablated.differs(from: try predict()))
    for recorder in [recorder, other] {
      expectSame(try recorded(recorder, .output), try recorded(recorder, .input), "output")
      #expect(try recorded(recorder, .update).elements.allSatisfy { $0 == 0 })
    }
    #expect(other.tensors.count == 3)
  }

  @Test(arguments: HookSet.Site.allCases) func anEditAddsWhereItStands(_ site: HookSet.Site) throws {
    let (_, plain) = try run()
    let (_, edited) = try run { $0.edit(site, of: block) { x, _ in x = x.scaled(by: 1, plus: 0.5) } }
    let reached: [HookSet.Site] =
      site == .input ? [.input] : site == .update ? [.update, .output] : [.output]
    for place in HookSet.Site.allCases where site != .input || place == .input {
      let wanted = try recorded(plain, place).scaled(by: 1, plus: reached.contains(place) ? 0.5 : 0)
      expectClose(try recorded(edited, place), wanted, within: 1e-6, "\(place) after an edit of \(site)")
    }
  }

  // The update and the output go on into the same stream.
  @Test func addingToTheUpdateOrToTheOutputIsTheSame() throws {
    let (update, _) = try run { $0.edit(.update, of: block) { x, _ in x[5] += 2 } }
    let (output, _) = try run { $0.edit(.output, of: block) { x, _ in x[5] += 2 } }
    expectClose(update, output, within: 1e-6, "prediction")
    #expect(update.differs(from: try predict()))
  }

  @Test(arguments: HookSet.Site.allCases) func actionsRunInTheOrderInWhichTheyWereAdded(_ site: HookSet.Site)
    throws
  {
    var seen: [Tensor] = []
    let (_, recorder) = try run {
      $0.observe(site, of: block) { x, _ in seen.append(x) }
      $0.edit(site, of: block) { x, _ in x = x.scaled(by: 2) }
      $0.observe(site, of: block) { x, _ in seen.append(x) }
      $0.edit(site, of: block) { x, _ in x = x.scaled(by: 1, plus: 3) }
    }
    try #require(seen.count == 2)
    expectSame(seen[1], seen[0].scaled(by: 2), "after the first edit")
    expectSame(try recorded(recorder, site), seen[1].scaled(by: 1, plus: 3), "after both edits")
  }

  @Test func aReplacedBlockIsNotComputedUnlessSomebodyLooks() throws {
    let (_, plain) = try run()
    var computed = 0
    func watchInside(_ hooks: inout HookSet) {
      hooks.observe(.headOutputs, of: .selfAttention, layer: 0, in: block) { _, _ in computed += 1 }
    }
    let (prediction, recorder) = try run {
      watchInside(&$0)
      $0.edit(.update, of: block) { _, _ in Issue.record("edited in vain") }
      $0.replaceUpdate(of: block) { input, _ in input.scaled(by: -0.5) }
    }
    #expect(computed == 0)
    let input = try recorded(recorder, .input)
    expectSame(input, try recorded(plain, .input), "input")
    expectSame(try recorded(recorder, .update), input.scaled(by: -0.5), "update")
    expectSame(try recorded(recorder, .output), input + input.scaled(by: -0.5), "output")

    var real: Tensor?
    let (watched, _) = try run {
      watchInside(&$0)
      $0.observe(.update, of: block) { x, _ in real = x }
      $0.replaceUpdate(of: block) { input, _ in input.scaled(by: -0.5) }
    }
    #expect(computed == 1)
    expectSame(try #require(real), try recorded(plain, .update), "the update seen before")
    expectSame(watched, prediction, "prediction")
  }

  @Test func theLastReplacementCountsAndEditsFollowIt() throws {
    let (_, recorder) = try run {
      $0.replaceUpdate(of: block) { _, _ in
        Issue.record("replaced in vain")
        return nil
      }
      $0.replaceUpdate(of: block) { input, _ in Tensor(repeating: 1, input.shape) }
      $0.edit(.update, of: block) { x, _ in x = x.scaled(by: 3) }
    }
    #expect(try recorded(recorder, .update).elements.allSatisfy { $0 == 3 })
    let (_, added) = try run {
      $0.ablate(block)
      $0.edit(.update, of: block) { x, _ in x = x.scaled(by: 1, plus: 2) }
    }
    #expect(try recorded(added, .update).elements.allSatisfy { $0 == 2 })
  }

  @Test func stepsLimitEveryAction() throws {
    let plain = try predict()
    var hooks = HookSet()
    var seen: [String: [Int]] = [:]
    hooks.ablate(block, atSteps: [1, 3])
    hooks.observe(.input, of: block, atSteps: [0, 3]) { _, step in seen["input", default: []].append(step) }
    hooks.observe(.output, of: block) { _, step in seen["output", default: []].append(step) }
    hooks.observe(.probabilities, of: .crossAttention, layer: 1, in: block, atSteps: [2, 3]) { _, step in
      seen["probabilities", default: []].append(step)
    }
    let changed = try (0..<4).map { try predict(hooks, step: $0).differs(from: plain) }
    #expect(changed == [false, true, false, true])
    // The ablated block is not computed in step 3, so that nobody sees its attention.
    #expect(seen == ["input": [0, 3], "output": [0, 1, 2, 3], "probabilities": [2]])
  }

  @Test func whatIsRecordedDoesNotChangeLater() throws {
    var hooks = HookSet()
    let recorder = Recorder()
    recorder.record([.input, .output], of: block, in: &hooks)
    for site in [HookSet.Site.input, .output] {
      hooks.edit(site, of: block) { x, _ in x.withMutableElements { $0.update(repeating: 0) } }
    }
    let changed = try predict(hooks)
    let (plain, other) = try run()
    #expect(changed.differs(from: plain))
    expectSame(try recorded(recorder, .input), try recorded(other, .input), "input")
    #expect(recorder[block, .update, step: 0] == nil && recorder[block, .input, step: 1] == nil)
  }

  @Test func hooksDoNotOutliveTheirCall() throws {
    let plain = try predict()
    let (ablated, _) = try run { $0.ablate(block) }
    #expect(ablated.differs(from: plain))
    expectSame(try predict(), plain, "afterwards")
    // A copy of a set is another set.
    var one = HookSet()
    one.observe(.input, of: block) { _, _ in }
    var two = one
    two.ablate(block)
    expectSame(try predict(one), plain, "without the later action")
    #expect(two.blocks == [block] && HookSet().isEmpty && HookSet().blocks.isEmpty)
  }

  @Test func everyBlockCanBeLeftOut() throws {
    let plain = try predict()
    for block in BlockName.sdxl {
      var hooks = HookSet()
      var shapes: [Shape] = []
      hooks.ablate(block)
      hooks.observe(.input, of: block) { x, _ in shapes.append(x.shape) }
      let changed = try predict(hooks)
      #expect(changed.differs(from: plain), "\(block)")
      #expect(shapes.count == 1 && shapes.first?[0] == 2, "\(block)")
    }
  }

  @Test func anEditOfOnePictureLeavesTheOtherAlone() throws {
    let plain = try predict()
    let (changed, _) = try run {
      $0.edit(.update, of: block) { x, _ in
        let size = x.count / 2
        x.withMutableElements { for index in size..<2 * size { $0[index] *= -1 } }
      }
    }
    expectClose(changed.picture(0), plain.picture(0), within: 1e-6, "the picture that was not edited")
    #expect(changed.picture(1).differs(from: plain.picture(1)))
  }

  @Test func probabilitiesAreShares() throws {
    var hooks = HookSet()
    var tensors: [Tensor] = []
    for block in BlockName.sdxl {
      for kind in HookSet.AttentionKind.allCases {
        hooks.observe(.probabilities, of: kind, layer: 0, in: block) { x, _ in tensors.append(x) }
      }
    }
    _ = try predict(hooks)
    #expect(tensors.count == 22)
    for tensor in tensors {
      let keys = tensor.width
      for row in 0..<tensor.rows {
        let shares = (0..<keys).map { tensor[row * keys + $0] }
        #expect(shares.allSatisfy { $0 >= 0 } && abs(shares.reduce(0, +) - 1) < 1e-5)
      }
    }
  }
}
