import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// A sampler of another program, with public interfaces alone: Euler's, written anew, so that the model's own tells what it
/// must give.
@Suite struct AddedSamplerTests {
  private struct MySampler: Sampler {
    let plan: SamplingPlan

    func input(_ x: Tensor, step: Int) -> Tensor {
      x.scaled(by: 1 / (plan.sigmas[step] * plan.sigmas[step] + 1).squareRoot())
    }

    func noised(_ x: Tensor, _ noise: Tensor, step: Int) -> Tensor {
      var x = x
      x.add(noise, scale: plan.sigmas[step])
      return x
    }

    func next(
      _ x: Tensor, prediction: Tensor, step: Int, noise: inout NoiseSource, history: inout SamplerHistory
    ) -> Tensor {
      var x = x
      x.add(prediction, scale: plan.sigmas[step + 1] - plan.sigmas[step])
      history.steps += 1
      return x
    }
  }

  @Test func isTakenInPlaceOfTheModelsOwn() throws {
    let model = try ModelFolder(TinyModel.path, sampler: SamplerChoice(.euler))
    let pipeline = try Pipeline(model)
    let prompt = try PromptEncoder(model)(["a cat"])
    let settings = try RunSettings(seed: 3, steps: 3, height: 64, width: 64)
    let own = try pipeline.sample(prompt, settings)
    let plan = try model.schedulerConfig().sampler(steps: 3).plan
    var run = try pipeline.start(prompt, settings, sampler: MySampler(plan: plan))
    while !run.isDone {
      var pass = run.pass()
      run.advance(by: pass.finish())
    }
    let closeness = Closeness(run.trace.latents.elements, to: own.latents.elements)
    #expect(closeness.ratio < 1e-5, "\(closeness)")
    #expect(run.trace.latents.elements != run.trace.noise.elements)
  }
}
