import SDLensCore

/// The tensors of a run under the names of a `--tensors` file, in PyTorch's axis order.
public struct RunTensors {
  /// Names and tensors, sorted by name.
  public let all: [(name: String, tensor: Tensor)]

  /// Collects them.
  ///
  /// - Parameters:
  ///   - prompt: with guidance, the negative prompt first.
  ///   - image: the picture of the run, in 0…1.
  ///   - recorder: its residual streams are named `BLOCK.input.STEP` and `BLOCK.output.STEP`.
  public init(
    _ trace: Pipeline.Trace, prompt: PromptEmbeddings, image: Tensor, recorder: Recorder = Recorder()
  ) {
    var all = [
      ("prompt_embeds", prompt.embeddings),
      ("noise", trace.noise.channelsFirst()), ("latents", trace.latents.channelsFirst()),
      ("image", image.channelsFirst()),
    ]
    if prompt.pooled.width > 0 { all.append(("pooled_prompt_embeds", prompt.pooled)) }
    if let initial = trace.initial { all.append(("init_latents", initial.channelsFirst())) }
    for (step, sample) in trace.inversion.enumerated() {
      all.append(("inversion.\(step)", sample.channelsFirst()))
    }
    for (step, prediction) in trace.predictions.enumerated() {
      all.append(("noise_pred.\(step)", prediction.channelsFirst()))
    }
    for (key, tensor) in recorder.tensors {
      all.append(("\(key.block).\(key.site.rawValue).\(key.step)", tensor.channelsFirst()))
    }
    self.all = all.sorted { $0.0 < $1.0 }.map { (name: $0.0, tensor: $0.1) }
  }
}
