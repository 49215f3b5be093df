import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// Edited runs equal PyTorch under forward hooks; the recipe is in Scripts/goldens/interventions.py.
@Suite struct InterventionGoldenTests {
  @Test func allRunsAndDictionariesAreThere() {
    #expect(EditedModel.runs.count == 10 && EditedModel.dictionaries.count == 11)
    let operations = Set(EditedModel.runs.flatMap(\.edits.edits).map(\.operation.name))
    // Maps are compared with plain loops: `MapEditTests`.
    #expect(operations == Set(Edit.Operation.Name.allCases).subtracting([.addMap, .transplant, .move]))
    #expect(Set(EditedModel.runs.map { "\($0.steps) \($0.guidance)" }).count == 4)
  }

  @Test(arguments: EditedModel.runs) func blocksAndPictureEqualPyTorch(_ run: EditedModel.Run) throws {
    let (pipeline, goldens, settings) = (
      try EditedModel.pipeline, try EditedModel.tensors, try EditedModel.settings(run)
    )
    let intervention = try Intervention(run.edits, EditedModel.dictionaries, for: pipeline, settings)
    var hooks = HookSet()
    intervention.add(to: &hooks)
    let recorder = Recorder()
    for block in run.edits.blocks { recorder.record([.output], of: block, in: &hooks) }
    let trace = try pipeline.sample(try EditedModel.prompt(run), settings, hooks: hooks)
    #expect(recorder.tensors.count == run.edits.blocks.count * run.steps)
    for (key, tensor) in recorder.tensors {
      try goldens.expect(tensor, equals: "\(run.name).\(key.block).output.\(key.step)", within: 1e-5)
    }
    for (step, prediction) in trace.predictions.enumerated() {
      try goldens.expect(prediction, equals: "\(run.name).noise_pred.\(step)", within: 2e-5)
    }
    let picture = Picture(try pipeline.picture(trace.latents))
    let wanted = try PNG.read(EditedModel.goldens("interventions/\(run.name).png"))
    #expect(picture.width == wanted.width && picture.height == wanted.height)
    let distance = zip(picture.samples, wanted.samples).map { abs(Int($0) - Int($1)) }.max() ?? 0
    #expect(distance <= 1, "\(distance) grey levels")
  }

  @Test(arguments: EditedModel.runs.filter { !$0.edits.edits.isEmpty })
  func everyEditCounts(_ run: EditedModel.Run) throws {
    let base = try BaseRun(
      try EditedModel.pipeline, try EditedModel.prompt(run), try EditedModel.settings(run), watching: [])
    let whole = try base.run(run.edits, EditedModel.dictionaries)
    #expect(whole.latents.differs(from: base.trace.latents))
    for index in run.edits.edits.indices {
      var edits = run.edits.edits
      edits.remove(at: index)
      let without = try base.run(EditList(edits), EditedModel.dictionaries)
      #expect(without.latents.differs(from: whole.latents), "edit \(index + 1)")
    }
  }
}
